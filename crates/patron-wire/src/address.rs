//! The client's address: the peer's, or what trusted proxies say about it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;
use patron::merchant::contains;

/// Whose request it is.
///
/// The peer's address, unless the peer is one of `trusted`: then the right-most address in
/// `X-Forwarded-For` that is not trusted, since every address left of it is the client's own word.
/// `None` when a trusted peer says nothing, or something that is not an address.
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    if !contains(trusted, peer) {
        return Some(peer);
    }
    // Several header lines are one list, in their order (RFC 9110, section 5.3).
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        for part in line.to_str().ok()?.rsplit(',') {
            let address = parse(part.trim())?;
            if !contains(trusted, address) {
                return Some(address);
            }
        }
    }
    None
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let address =
        address.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&str], expect: Option<&str>) {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "2001:db8:1::/48".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let found = client_address(peer.parse().unwrap(), &headers, &trusted);
        assert_eq!(found, expect.map(|text| text.parse().unwrap()), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check("203.0.113.9", &[], Some("203.0.113.9"));
        check("203.0.113.9", &["198.51.100.1"], Some("203.0.113.9"));
        check("::ffff:203.0.113.9", &[], Some("203.0.113.9"));
        check("10.0.0.1", &["198.51.100.1"], Some("198.51.100.1"));
        check("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.3.4"], Some("198.51.100.1"));
        check("10.0.0.1", &["1.1.1.1", "198.51.100.1", "10.2.3.4"], Some("198.51.100.1"));
        check("::ffff:10.0.0.1", &["198.51.100.1:4711"], Some("198.51.100.1"));
        check("10.0.0.1", &["[2001:db8::7]:4711"], Some("2001:db8::7"));
        check("10.0.0.1", &["[2001:db8::7]"], Some("2001:db8::7"));
        check("10.0.0.1", &["::ffff:198.51.100.1"], Some("198.51.100.1"));
        check("2001:db8:1::5", &["2001:db8:2::5"], Some("2001:db8:2::5"));
    }

    #[test]
    fn what_cannot_be_determined_is_not_guessed() {
        check("10.0.0.1", &[], None);
        check("10.0.0.1", &[""], None);
        check("10.0.0.1", &["10.0.0.2, 10.0.0.3"], None);
        check("10.0.0.1", &["198.51.100.1, unknown"], None);
        check("10.0.0.1", &["198.51.100.1, "], None);
    }
}
