//! Logs: to stderr, for people or as JSON, one line for each request, never a personal value.

use std::io::IsTerminal as _;
use std::panic;
use std::time::Duration;

use http::Method;
use patron::installation::Mode;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogFormat, ServeSettings};
use crate::refusal::Refusal;

/// Starts logging, for as long as the process lives.
pub(crate) fn start(settings: &ServeSettings, mode: Mode) -> Result<(), Refusal> {
    let filter = filter(settings.log.as_deref(), mode)?;
    let is_terminal = std::io::stderr().is_terminal();
    let format =
        settings.log_format.unwrap_or(if is_terminal { LogFormat::Human } else { LogFormat::Json });
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A closed stderr must not become a panic.
        .log_internal_errors(false);
    let started = match format {
        LogFormat::Human => builder.with_ansi(is_terminal).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| Refusal::failure(format!("logging cannot be started: {error}")))?;
    log_panics();
    Ok(())
}

/// What is logged.
pub(crate) fn filter(given: Option<&str>, mode: Mode) -> Result<EnvFilter, Refusal> {
    let text = given.unwrap_or(match mode {
        Mode::Production => "info",
        Mode::Sandbox => "info,patron::access=debug",
    });
    EnvFilter::builder().parse(text).map_err(|error| {
        Refusal::configuration(format!(
            "--log (or PATRON_LOG) `{text}` is not a filter ({error}): give something such as `info` \
             or `warn,patron::access=debug`"
        ))
    })
}

/// Logs where the program panicked, and nothing else: the message of a panic may hold a value.
fn log_panics() {
    panic::set_hook(Box::new(|panicked| {
        let place = panicked.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

/// One request, as the log shows it.
pub(crate) struct RequestLine<'a> {
    /// An id that is safe to show.
    pub(crate) request_id: &'a str,
    pub(crate) wire: &'static str,
    pub(crate) route: &'static str,
    pub(crate) method: &'a Method,
    pub(crate) status: u16,
    pub(crate) duration: Duration,
    /// What went wrong.
    pub(crate) failure: Option<&'a patron::error::Error>,
}

/// Logs a request: as an error when it was our fault, loudly when it was the client's, else quietly.
pub(crate) fn log_request(line: &RequestLine<'_>) {
    macro_rules! log {
        ($level:ident, $failure:expr) => {
            tracing::$level!(
                target: "patron::access",
                request_id = line.request_id,
                wire = line.wire,
                route = line.route,
                method = standard_name(line.method),
                status = line.status,
                duration_ms = milliseconds(line.duration),
                failure = $failure,
                "answered"
            )
        };
    }
    match line.status {
        500.. => log!(error, line.failure.map(|failure| crate::refusal::chain(failure))),
        400.. => log!(info, None::<&str>),
        _ => log!(debug, None::<&str>),
    }
}

/// The method's name, if it is one of the standard ones: any other is the client's own text.
fn standard_name(method: &Method) -> Option<&str> {
    const STANDARD: [Method; 9] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::CONNECT,
        Method::TRACE,
    ];
    STANDARD.contains(method).then(|| method.as_str())
}

/// Milliseconds with microseconds behind the point.
fn milliseconds(duration: Duration) -> f64 {
    let us = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    f64::from(us) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_checked() {
        assert!(filter(None, Mode::Sandbox).is_ok());
        assert!(filter(Some("warn,patron=trace"), Mode::Production).is_ok());
        assert!(filter(Some("patron=loud"), Mode::Production).is_err());
    }

    #[test]
    fn a_panic_shows_its_place_and_not_its_message() {
        /// A pipe into a channel.
        struct Pipe(std::sync::mpsc::Sender<u8>);

        impl std::io::Write for Pipe {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                bytes.iter().for_each(|byte| self.0.send(*byte).unwrap());
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        let (sender, log) = std::sync::mpsc::channel();
        let subscriber = fmt().with_writer(move || Pipe(sender.clone())).finish();
        let hook = panic::take_hook();
        tracing::subscriber::with_default(subscriber, || {
            log_panics();
            let panicked = panic::catch_unwind(|| panic!("jon@example.com"));
            assert!(panicked.is_err());
        });
        panic::set_hook(hook);
        let log = String::from_utf8(log.try_iter().collect()).unwrap();
        assert!(log.contains("panicked") && log.contains("logs.rs"), "{log}");
        assert!(!log.contains("jon"), "{log}");
    }

    #[test]
    fn only_standard_methods_are_named() {
        assert_eq!(standard_name(&Method::PATCH), Some("PATCH"));
        assert_eq!(standard_name(&Method::from_bytes(b"JON").unwrap()), None);
    }
}
