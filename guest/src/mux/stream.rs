use super::frame::{Violation, LARGEST_PAYLOAD};
use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT};
use crate::syscalls::{poll_entry, receive, send};
use std::os::unix::io::{AsRawFd, OwnedFd};

/// Bytes that may be under way or held for one stream in each direction.
pub const WINDOW: usize = 128 * 1024;
/// What is passed on before the other side is told: a frame for each piece would double them.
const TELL_AFTER: usize = WINDOW / 4;

/// One stream: a local socket, and what the link owes it.
pub struct Stream {
    socket: OwnedFd,
    /// From the link, not yet taken by the socket.
    held: Vec<u8>,
    /// Of `held`, already written.
    written: usize,
    /// Passed on since the other side was last told.
    untold: usize,
    /// How much the other side still takes.
    credit: usize,
    /// The local side sends no more, and the other side was told.
    pub local_ended: bool,
    /// The other side sends no more.
    pub remote_ended: bool,
    /// The other side does not listen either: what is held is passed on, then all is over.
    pub remote_gone: bool,
    shut: bool,
    /// The local side is gone altogether.
    hung_up: bool,
}

/// What a socket had to say.
pub enum Heard {
    Nothing,
    Data(Vec<u8>),
    End,
}

impl Stream {
    pub fn new(socket: OwnedFd) -> Stream {
        Stream {
            socket,
            held: Vec::new(),
            written: 0,
            untold: 0,
            credit: WINDOW,
            local_ended: false,
            remote_ended: false,
            remote_gone: false,
            shut: false,
            hung_up: false,
        }
    }

    /// `may_read`: whether the link has room.
    pub fn poll_entry(&self, may_read: bool) -> pollfd {
        let reads = may_read && !self.local_ended && !self.remote_gone && self.credit > 0;
        let writes = !self.held.is_empty();
        // A hang-up is told again and again: who knows of it and can do nothing does not ask.
        if self.hung_up && !reads {
            return poll_entry(-1, 0);
        }
        poll_entry(self.socket.as_raw_fd(), if reads { POLLIN } else { 0 } | if writes { POLLOUT } else { 0 })
    }

    pub fn take(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        if self.remote_ended {
            return Err(Violation("data after the end of a stream"));
        }
        if self.held.len() - self.written + self.untold + bytes.len() > WINDOW {
            return Err(Violation("more data than was asked for"));
        }
        if !self.hung_up {
            self.held.extend_from_slice(bytes);
            self.pass_on();
        }
        Ok(())
    }

    pub fn add_credit(&mut self, count: usize) -> Result<(), Violation> {
        if count > WINDOW - self.credit {
            return Err(Violation("more credit than was spent"));
        }
        self.credit += count;
        Ok(())
    }

    /// Writes what the socket takes.
    pub fn pass_on(&mut self) {
        while self.written < self.held.len() {
            match send(self.socket.as_raw_fd(), &self.held[self.written..], libc::MSG_DONTWAIT) {
                Ok(count) => {
                    self.written += count;
                    self.untold += count;
                }
                Err(libc::EAGAIN) => return,
                Err(_) => {
                    self.hung_up = true;
                    self.drop_held();
                    return;
                }
            }
        }
        self.drop_held();
        if self.remote_ended && !self.shut {
            self.shut = true;
            unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_WR) };
        }
    }

    fn drop_held(&mut self) {
        self.held = Vec::new();
        self.written = 0;
    }

    /// What the other side is to be told has been passed on, if it is enough to speak of.
    pub fn credit_to_tell(&mut self) -> Option<u32> {
        if self.untold < TELL_AFTER || self.remote_ended {
            return None;
        }
        Some(std::mem::take(&mut self.untold) as u32)
    }

    pub fn hear(&mut self, events: i16) -> Heard {
        if events & (POLLHUP | POLLERR | POLLNVAL) != 0 {
            self.hung_up = true;
        }
        if self.local_ended || self.credit == 0 || events & (POLLIN | POLLHUP | POLLERR) == 0 {
            return Heard::Nothing;
        }
        let mut buffer = vec![0; self.credit.min(LARGEST_PAYLOAD)];
        match receive(self.socket.as_raw_fd(), &mut buffer, libc::MSG_DONTWAIT) {
            Ok(0) => Heard::End,
            Ok(count) => {
                buffer.truncate(count);
                self.credit -= count;
                Heard::Data(buffer)
            }
            Err(libc::EAGAIN) => Heard::Nothing,
            Err(_) => {
                self.hung_up = true;
                Heard::End
            }
        }
    }

    pub fn is_hung_up(&self) -> bool {
        self.hung_up
    }

    pub fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }
}
