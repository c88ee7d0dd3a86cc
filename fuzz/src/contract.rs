//! The contracts' answers, every one of them in full: an answer that is none of these is a bug.

mod cyrexa;
mod juspay;

use patron_testkit::http::Reply;

/// What is wrong with an answer of a wire's; nothing, where it is one of its contract's.
pub fn fault(reply: &Reply) -> Option<String> {
    // Only one of them says twice what the request's id is.
    let is_juspays = reply.header("x-response-id").is_some();
    let problem = if is_juspays { juspay::problem(reply) } else { cyrexa::problem(reply) }?;
    Some(format!(
        "{problem}: {} {:?} {}",
        reply.status,
        reply.headers,
        String::from_utf8_lossy(&reply.body)
    ))
}
