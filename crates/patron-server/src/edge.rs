//! One request: its id, the client's address, its wire, the log, the count.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use ipnet::IpNet;
use patron::Patron;
use patron::clock::Clock;
use patron::entropy::Entropy;
use patron::error::{Error, Kind};
use patron_wire::address::client_address;
use patron_wire::body::Drained;
use patron_wire::head::is_sound;
use patron_wire::request_id::{X_REQUEST_ID, loggable_id, request_id};
use patron_wire::{Answer, Context, Limits, Request, RequestBody, Wire};

use crate::logs::{RequestLine, log_request};
use crate::metrics::{self, Metrics, Recorder};
use crate::own_paths::OwnPath;
use crate::stores::Engine;
use crate::system::Stopwatch;
use crate::wires::Wires;

/// The server's own name, where a wire's would stand.
const SERVER: &str = "server";

/// What all workers share to answer requests.
pub(crate) struct Site {
    pub(crate) engine: Engine,
    pub(crate) patron: Arc<Patron>,
    pub(crate) wires: Wires,
    pub(crate) clock: Box<dyn Clock>,
    pub(crate) entropy: Box<dyn Entropy>,
    /// The proxies that are believed.
    pub(crate) trusted: Vec<IpNet>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether the server is on its way down.
    pub(crate) draining: AtomicBool,
}

/// Where requests of one kind of listener are answered.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) site: Arc<Site>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) door: Door,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The wires and the server's own paths.
    Everything,
    /// The wires and the server's own paths but for the metrics, which have a listener of their own.
    WithoutMetrics,
    /// The server's own paths only.
    OwnPaths,
}

/// An answer, and who gave it.
struct Answered {
    wire: &'static str,
    answer: Answer,
}

impl Edge {
    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        request: http::Request<Incoming>,
        peer: IpAddr,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let stopwatch = Stopwatch::start();
        let _in_flight = self.recorder.begin();
        let (head, body) = request.into_parts();
        let id = request_id(&head.headers, &*self.site.entropy);
        let is_sound = is_sound(head.version, &head.headers);
        let mut body = RequestBody::new(body, head.version, &head.headers);
        let loggable_id = loggable_id(&id, &*self.site.entropy);
        let (mut answered, method, drained, loggable_id) =
            match self.own_answer(&head.method, head.uri.path(), &id).await {
                Some(answer) => {
                    let drained = body.drain().await;
                    (Answered { wire: SERVER, answer }, head.method, drained, loggable_id)
                }
                None => {
                    let mut request = self.request(head, body, [id, loggable_id], peer);
                    let answered = self.ask_wires(&mut request, is_sound).await;
                    // A client that is still sending does not listen yet.
                    let drained = request.body.drain().await;
                    (answered, request.method, drained, request.context.loggable_id)
                }
            };
        // What follows may not be what its sender takes it for; or nobody will be here to answer it.
        let is_last = self.site.draining.load(Ordering::Relaxed);
        if drained == Drained::InPart || !is_sound || is_last {
            let headers = answered.answer.response.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(self.close(answered, &method, &loggable_id, stopwatch))
    }

    fn request(
        &self,
        head: http::request::Parts,
        body: RequestBody,
        [request_id, loggable_id]: [String; 2],
        peer: IpAddr,
    ) -> Request {
        let context = Context {
            request_id,
            loggable_id,
            client: client_address(peer, &head.headers, &self.site.trusted),
            received: self.site.clock.now(),
            limits: self.site.limits,
        };
        Request {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers: head.headers,
            body,
            context,
        }
    }

    async fn ask_wires(&self, request: &mut Request, is_sound: bool) -> Answered {
        let wires = &self.site.wires;
        let Some(wire) = wires.iter().find(|wire| wire.owns(&request.method, &request.path)) else {
            let id = &request.context.request_id;
            return Answered {
                wire: SERVER,
                answer: plain(StatusCode::NOT_FOUND, "no such path", "(none)", id),
            };
        };
        let answer = if is_sound {
            answer_unbroken(&**wire, request).await
        } else {
            wire.malformed(&request.context)
        };
        Answered { wire: wire.name(), answer }
    }

    /// The answer to a request for one of the server's own paths.
    async fn own_answer(&self, method: &Method, path: &str, id: &str) -> Option<Answer> {
        // Some load balancers ask by HEAD; hyper leaves the body out then.
        if matches!(*method, Method::GET | Method::HEAD)
            && let Some(own) = OwnPath::find(path)
        {
            match own {
                OwnPath::Health => return Some(plain(StatusCode::OK, "ok", own.text(), id)),
                OwnPath::Readiness => return Some(self.readiness(id).await),
                OwnPath::Metrics if self.door != Door::WithoutMetrics => {
                    return Some(self.metrics(id));
                }
                OwnPath::Metrics => {}
            }
        }
        let not_here = || plain(StatusCode::NOT_FOUND, "no such path", "(none)", id);
        (self.door == Door::OwnPaths).then(not_here)
    }

    async fn readiness(&self, id: &str) -> Answer {
        const ROUTE: &str = OwnPath::Readiness.text();
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        if self.site.draining.load(Ordering::Relaxed) {
            return plain(unavailable, "the server is shutting down", ROUTE, id);
        }
        match self.site.patron.check().await {
            Ok(()) => plain(StatusCode::OK, "ok", ROUTE, id),
            Err(error) => {
                let mut answer = plain(unavailable, "the store does not answer", ROUTE, id);
                answer.failure = Some(error);
                answer
            }
        }
    }

    fn metrics(&self, id: &str) -> Answer {
        let mut answer = plain(StatusCode::OK, "", OwnPath::Metrics.text(), id);
        let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
        answer.response.headers_mut().insert(CONTENT_TYPE, kind);
        if let Some(epoch) = self.site.engine.learned_management_epoch() {
            self.site.metrics.note_management_epoch(epoch);
        }
        *answer.response.body_mut() = self.site.metrics.to_text().into();
        answer
    }

    /// Counts and logs an answer, and hands it out.
    fn close(
        &self,
        answered: Answered,
        method: &Method,
        id: &str,
        stopwatch: Stopwatch,
    ) -> Response<Full<Bytes>> {
        let Answered { wire, answer } = answered;
        let Answer { response, route, failure } = answer;
        let status = response.status().as_u16();
        let duration = stopwatch.elapsed();
        self.recorder.count(wire, route, status, duration);
        log_request(&RequestLine {
            request_id: id,
            wire,
            route,
            method,
            status,
            duration,
            failure: failure.as_ref(),
        });
        response.map(Full::new)
    }
}

/// The wire's answer, or its own shape of a 500 when it panics.
async fn answer_unbroken(wire: &dyn Wire, request: &mut Request) -> Answer {
    let outcome = {
        let mut answer = wire.answer(request);
        poll_fn(move |context| {
            // What a panic leaves half done is dropped with the request and never looked at again.
            let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
            match polled {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(answer)) => Poll::Ready(Some(answer)),
                Err(_) => Poll::Ready(None),
            }
        })
        .await
    };
    outcome.unwrap_or_else(|| {
        let mut answer = wire.broken(&request.context);
        let error = Error::new(Kind::Internal, "internal error").because("the wire panicked");
        answer.failure.get_or_insert(error);
        answer
    })
}

/// An answer of the server's own: a line of text.
fn plain(status: StatusCode, text: &'static str, route: &'static str, id: &str) -> Answer {
    let mut response = Response::new(Bytes::from_static(text.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(X_REQUEST_ID, id);
    }
    Answer { response, route, failure: None }
}

#[cfg(test)]
mod tests {
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use patron::clock::Timestamp;
    use patron_wire::{AnswerFuture, Setting};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use utoipa::openapi::OpenApi;

    use super::*;

    /// A wire with a bug.
    struct Panicking;

    impl Wire for Panicking {
        fn name(&self) -> &'static str {
            "panicking"
        }

        fn owns(&self, _method: &Method, _path: &str) -> bool {
            true
        }

        fn answer<'a>(&'a self, _request: &'a mut Request) -> AnswerFuture<'a> {
            Box::pin(async {
                tokio::task::yield_now().await;
                panic!("jon@example.com")
            })
        }

        fn malformed(&self, context: &Context) -> Answer {
            plain(StatusCode::BAD_REQUEST, "in its own words", "(malformed)", &context.request_id)
        }

        fn broken(&self, context: &Context) -> Answer {
            let id = &context.request_id;
            plain(StatusCode::INTERNAL_SERVER_ERROR, "in its own words", "(broken)", id)
        }

        fn example(&self, _key: &str, _url: &str) -> String {
            String::new()
        }

        fn settings(&self) -> &'static [Setting] {
            &[]
        }

        fn openapi(&self) -> OpenApi {
            OpenApi::default()
        }
    }

    #[tokio::test]
    async fn a_panic_becomes_the_wires_own_500() {
        let (mut client, server) = duplex(4096);
        let service = service_fn(|request: http::Request<Incoming>| async {
            let (head, body) = request.into_parts();
            let mut request = Request {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: None,
                body: RequestBody::new(body, head.version, &head.headers),
                headers: head.headers,
                context: Context {
                    request_id: "r-1".to_owned(),
                    loggable_id: "r-1".to_owned(),
                    client: None,
                    received: Timestamp::from_ms(0),
                    limits: Limits::default(),
                },
            };
            let answer = answer_unbroken(&Panicking, &mut request).await;
            assert_eq!(*answer.failure.unwrap().kind(), Kind::Internal);
            Ok::<_, Infallible>(answer.response.map(Full::new))
        });
        let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        client.write_all(request).await.unwrap();
        let serve = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        serve.await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
        assert!(answer.ends_with("in its own words"), "{answer}");
    }
}
