use crate::libc::{self, c_int};
use crate::syscalls::{block_signals, owned, read, Errno};
use std::os::unix::io::{AsRawFd, OwnedFd, RawFd};

/// Signals as a descriptor to poll.
pub struct Signals(OwnedFd);

pub struct Arrived {
    pub terminate: bool,
}

impl Signals {
    /// To be called before threads are started: the signals must be blocked in all of them.
    pub fn open(awaited: &[c_int]) -> Result<Signals, Errno> {
        let set = block_signals(awaited);
        owned(unsafe { libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }).map(Signals)
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    pub fn take(&self) -> Arrived {
        let mut arrived = Arrived { terminate: false };
        // The kernel's record of one signal is 128 bytes and starts with its number.
        let mut record = [0u8; 128];
        while let Ok(128) = read(self.fd(), &mut record) {
            let [a, b, c, d, ..] = record;
            let signal = u32::from_ne_bytes([a, b, c, d]) as c_int;
            arrived.terminate |= signal == libc::SIGTERM || signal == libc::SIGINT;
        }
        arrived
    }
}
