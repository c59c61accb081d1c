use super::host_socket::HostSocket;
use crate::failure::{Failure, Outcome};
use crate::frames::{header, kind, Frame, FrameBuffer};
use crate::libc;
use crate::syscalls::{receive, send, Errno};
use std::os::unix::io::{AsRawFd, RawFd};

/// One stream from the host. Blocking by default; the loops that poll use the `_now` calls.
pub struct Connection {
    fd: HostSocket,
    frames: FrameBuffer,
}

pub enum Arrived {
    Frame(Frame),
    Nothing,
    /// The host sends no more; it may still listen.
    End,
}

/// The host is gone, or asked for something that is answered by closing.
pub struct Lost;

impl Connection {
    pub fn new(fd: HostSocket) -> Connection {
        Connection { fd, frames: FrameBuffer::default() }
    }

    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Whoever says nothing for so long is given up. Only for connections that programs inside may make.
    pub fn give_up_reading_after(&self, patience: std::time::Duration) {
        let time = libc::timeval { tv_sec: patience.as_secs() as i64, tv_usec: 0 };
        let place = &time as *const libc::timeval as *const libc::c_void;
        let length = std::mem::size_of::<libc::timeval>() as u32;
        unsafe { libc::setsockopt(self.fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, place, length) };
    }

    /// Waits for the next frame; `None` when the host has closed.
    pub fn receive(&mut self) -> Outcome<Option<Frame>> {
        loop {
            if let Some(frame) = self.frames.next()? {
                return Ok(Some(frame));
            }
            match self.fill(0) {
                Ok(0) | Err(_) => return Ok(None),
                Ok(_) => {}
            }
        }
    }

    pub fn receive_now(&mut self) -> Outcome<Arrived> {
        loop {
            if let Some(frame) = self.frames.next()? {
                return Ok(Arrived::Frame(frame));
            }
            match self.fill(libc::MSG_DONTWAIT) {
                Ok(0) => return Ok(Arrived::End),
                Ok(_) => {}
                Err(libc::EAGAIN) => return Ok(Arrived::Nothing),
                Err(_) => return Ok(Arrived::End),
            }
        }
    }

    fn fill(&mut self, flags: i32) -> Result<usize, Errno> {
        let mut buffer = vec![0; self.frames.wanted()];
        let count = receive(self.fd(), &mut buffer, flags)?;
        self.frames.push(&buffer[..count]);
        Ok(count)
    }

    pub fn send(&self, kind: u8, payload: &[u8]) -> Result<(), Lost> {
        self.send_raw(&[&header(kind, payload.len())[..], payload].concat())
    }

    pub fn ok(&self, payload: &[u8]) -> Result<(), Lost> {
        self.send(kind::OK, payload)
    }

    pub fn fail(&self, failure: &Failure) -> Result<(), Lost> {
        self.send(kind::ERROR, &failure.payload())
    }

    pub fn send_raw(&self, mut bytes: &[u8]) -> Result<(), Lost> {
        while !bytes.is_empty() {
            let count = send(self.fd(), bytes, 0).map_err(|_| Lost)?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    pub fn send_now(&self, bytes: &[u8]) -> Result<usize, Errno> {
        send(self.fd(), bytes, libc::MSG_DONTWAIT)
    }

    /// Takes the socket and what was received beyond the last frame, to go on without frames.
    pub fn into_raw(self) -> (HostSocket, Vec<u8>) {
        (self.fd, self.frames.into_rest())
    }
}

impl From<Lost> for () {
    fn from(_: Lost) {}
}
