use crate::libc;
use std::os::unix::io::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

static OPEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// A connection from the host, known to all so that it can be broken off: no sandbox is checkpointed with one.
pub struct HostSocket(RawFd);

impl HostSocket {
    pub fn new(fd: OwnedFd) -> HostSocket {
        let fd = fd.into_raw_fd();
        with_open(|open| open.push(fd));
        HostSocket(fd)
    }
}

impl AsRawFd for HostSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl Drop for HostSocket {
    fn drop(&mut self) {
        // Closed while nobody else looks: its number may be another file's at once.
        with_open(|open| {
            open.retain(|fd| *fd != self.0);
            unsafe { libc::close(self.0) };
        });
    }
}

/// Ends every connection but `spared` for those who serve them. Answers how many are left.
pub fn break_off_all_but(spared: RawFd) -> usize {
    with_open(|open| {
        let others = open.iter().filter(|fd| **fd != spared);
        others.map(|fd| unsafe { libc::shutdown(*fd, libc::SHUT_RDWR) }).count()
    })
}

fn with_open<T>(act: impl FnOnce(&mut Vec<RawFd>) -> T) -> T {
    act(&mut OPEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
}
