use super::connection::{Connection, Lost};
use crate::failure::{Failure, Outcome};
use crate::frames::{Fields, CHUNK};
use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN, POLLOUT};
use crate::syscalls::{errno_of, poll, poll_entry, receive, send};
use std::ffi::OsStr;
use std::io::Error;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to a port or socket inside the sandbox; after OK the connection carries raw bytes both ways.
pub fn dial(connection: Connection, fields: &Fields) -> Result<(), Lost> {
    match connect(fields) {
        Err(failure) => connection.fail(&failure),
        Ok(socket) => {
            connection.ok(&[])?;
            relay(connection, socket);
            Ok(())
        }
    }
}

fn connect(fields: &Fields) -> Outcome<OwnedFd> {
    if let Some(path) = fields.get(2) {
        let shown = String::from_utf8_lossy(path);
        return UnixStream::connect(OsStr::from_bytes(path))
            .map(OwnedFd::from)
            .map_err(|error| Failure::from_errno(errno_of(&error), format!("nothing listens on {}", shown)));
    }
    let port = match fields.number(1)? {
        Some(port @ 1..=65535) => port as u16,
        _ => return Err(Failure::new("invalid", "a port is a number from 1 to 65535")),
    };
    let try_address = |address: SocketAddr| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT);
    let stream =
        try_address((Ipv4Addr::LOCALHOST, port).into()).or_else(|_| try_address((Ipv6Addr::LOCALHOST, port).into()));
    let unreachable = |error: Error| Failure {
        errno: errno_of(&error),
        ..Failure::new("unavailable", format!("nothing listens on port {}", port))
    };
    let stream = stream.map_err(unreachable)?;
    let _ = stream.set_nodelay(true);
    Ok(stream.into())
}

fn relay(connection: Connection, socket: OwnedFd) {
    let (host, rest) = connection.into_raw();
    let mut inward = Direction::new(host.as_raw_fd(), socket.as_raw_fd(), rest);
    let mut outward = Direction::new(socket.as_raw_fd(), host.as_raw_fd(), Vec::new());
    let mut buffer = vec![0; CHUNK];
    while !(inward.closed && outward.closed) {
        let mut entries = [inward.source(), inward.sink(), outward.source(), outward.sink()];
        if inward.ended {
            entries[0] = poll_entry(host.as_raw_fd(), 0);
        }
        poll(&mut entries, -1);
        let broken = |entry: &pollfd| entry.revents & POLLERR != 0;
        if entries.iter().any(broken) {
            return;
        }
        // A host that is gone altogether reads no more, whatever the other side still has to say.
        if entries[0].revents & POLLHUP != 0 && inward.ended {
            return;
        }
        if !inward.step(&entries[0], &mut buffer) || !outward.step(&entries[2], &mut buffer) {
            return;
        }
    }
}

/// Bytes on their way from one socket to the other.
struct Direction {
    from: RawFd,
    to: RawFd,
    held: Vec<u8>,
    sent: usize,
    ended: bool,
    closed: bool,
}

impl Direction {
    fn new(from: RawFd, to: RawFd, held: Vec<u8>) -> Direction {
        Direction { from, to, held, sent: 0, ended: false, closed: false }
    }

    /// Not polled at all while nothing is to be read: a hang-up is told again and again.
    fn source(&self) -> pollfd {
        if self.held.is_empty() && !self.ended {
            poll_entry(self.from, POLLIN)
        } else {
            poll_entry(-1, 0)
        }
    }

    fn sink(&self) -> pollfd {
        if self.held.is_empty() {
            poll_entry(-1, 0)
        } else {
            poll_entry(self.to, POLLOUT)
        }
    }

    /// False when nothing more can be carried.
    fn step(&mut self, source: &pollfd, buffer: &mut [u8]) -> bool {
        if self.held.is_empty() && !self.ended && source.revents != 0 {
            match receive(self.from, buffer, libc::MSG_DONTWAIT) {
                Ok(0) => self.ended = true,
                Ok(count) => self.held.extend_from_slice(&buffer[..count]),
                Err(libc::EAGAIN) => {}
                Err(_) => return false,
            }
        }
        while self.sent < self.held.len() {
            match send(self.to, &self.held[self.sent..], libc::MSG_DONTWAIT) {
                Ok(count) => self.sent += count,
                Err(libc::EAGAIN) => return true,
                Err(_) => return false,
            }
        }
        self.held.clear();
        self.sent = 0;
        if self.ended && !self.closed {
            self.closed = true;
            unsafe { libc::shutdown(self.to, libc::SHUT_WR) };
        }
        true
    }
}
