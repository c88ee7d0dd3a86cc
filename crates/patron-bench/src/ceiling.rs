//! The ceiling: the fastest HTTP server known for a fixed document, bare hyper on one thread.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Outcome;

/// How many bytes the document has: about as many as a customer.
const LENGTH: usize = 300;

/// Serves the document until the process is killed. Its first line on stdout says where.
pub(crate) fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        crate::say(&format!("http://{}", listener.local_addr()?))?;
        let body = document();
        loop {
            let (tcp, _) = listener.accept().await?;
            tcp.set_nodelay(true)?;
            let body = body.clone();
            tokio::spawn(async move {
                let answer = service_fn(|request| answer(request, &body));
                // The load closes its connections when it is done.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(tcp), answer).await;
            });
        }
    })
}

fn answer(
    _: Request<Incoming>,
    body: &Bytes,
) -> impl Future<Output = Result<Response<Full<Bytes>>, Infallible>> + use<> {
    let mut response = Response::new(Full::new(body.clone()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    std::future::ready(Ok(response))
}

fn document() -> Bytes {
    let frame = "{\"filler\":\"\"}".len();
    Bytes::from(format!("{{\"filler\":\"{}\"}}", "x".repeat(LENGTH - frame)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_json_of_the_length_it_should_have() {
        assert_eq!(document().len(), LENGTH);
        assert!(serde_json::from_slice::<serde_json::Value>(&document()).is_ok());
    }
}
