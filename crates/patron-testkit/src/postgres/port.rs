//! A port that nobody else gets for as long as it is held, whether somebody listens on it or not.

#![expect(clippy::unwrap_used, reason = "a test without a port must fail where it notices")]

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

/// A free port of 127.0.0.1. It is bound here without listening, and with `SO_REUSEADDR`: the server, which
/// binds with the same option, may listen on it, again and again, while the system gives it to nobody
/// who asks for any port or connects from one.
#[derive(Debug)]
pub(super) struct Port {
    number: u16,
    _socket: OwnedFd,
}

impl Port {
    pub(super) fn free() -> Self {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        sockopt::set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddr::try_from(getsockname(&socket).unwrap()).unwrap();
        Self { number: address.port(), _socket: socket }
    }

    pub(super) const fn number(&self) -> u16 {
        self.number
    }
}
