//! Client addresses: nobody but a trusted proxy is believed, and only a client's address comes out.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use patron::merchant::{AllowList, contains, parse_range};
use patron_wire::address::client_address;

use super::split;

const PEERS: [IpAddr; 4] = [
    IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)),
    IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
    IpAddr::V6(std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0xFFFF, 0x0A00, 0x0001)),
    IpAddr::V6(std::net::Ipv6Addr::new(0x2001, 0xDB8, 1, 0, 0, 0, 0, 5)),
];

fn trusted() -> Vec<IpNet> {
    ["10.0.0.0/8", "2001:db8:1::/48"].iter().filter_map(|range| range.parse().ok()).collect()
}

/// Checks one input: the first byte chooses the peer; each further line is one of the header.
pub fn check(data: &[u8]) {
    let (variant, lines) = split(data);
    if let Ok(text) = std::str::from_utf8(lines) {
        ranges_are_written_as_they_are_read(text);
    }
    let peer = PEERS[usize::from(variant) % PEERS.len()];
    let trusted = trusted();
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else {
            return;
        };
        headers.append("x-forwarded-for", value);
    }
    let found = client_address(peer, &headers, &trusted);
    assert_eq!(found, client_address(peer, &headers, &trusted), "read twice, it says two things");
    if !contains(&trusted, peer) {
        return assert_eq!(found, Some(peer.to_canonical()), "a stranger is believed");
    }
    let Some(found) = found else {
        return;
    };
    assert_eq!(found, found.to_canonical());
    assert!(!contains(&trusted, found), "a proxy is taken for a client");
    // What stands further to the left is the client's own word and changes nothing.
    let mut more = HeaderMap::new();
    more.append("x-forwarded-for", HeaderValue::from_static("192.0.2.1, nonsense"));
    for value in headers.get_all("x-forwarded-for") {
        more.append("x-forwarded-for", value.clone());
    }
    assert_eq!(client_address(peer, &more, &trusted), Some(found));
}

fn ranges_are_written_as_they_are_read(text: &str) {
    if let Ok(range) = parse_range(text) {
        assert_eq!(parse_range(&range.to_string()).ok(), Some(range));
    }
    if let Ok(list) = AllowList::parse(text) {
        let again = AllowList::parse(&list.to_text());
        assert_eq!(again.map(|again| again.to_text()).ok(), Some(list.to_text()));
    }
}
