use crate::libc;
use crate::syscalls::{read, set_nonblocking, Errno};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::{AsRawFd, OwnedFd, RawFd};

const LOG: &str = "console.log";
const PREVIOUS_LOG: &str = "console.log.1";
const LARGEST_LOG: usize = 128 * 1024;
const TAIL: usize = 4 * 1024;

/// What the runtime and the agent print: on disk the last 128 to 256 KiB, in memory the last lines.
pub struct Console {
    pipe: Option<OwnedFd>,
    log: Option<File>,
    logged: usize,
    tail: Vec<u8>,
}

impl Console {
    pub fn new(pipe: OwnedFd) -> Result<Console, Errno> {
        set_nonblocking(pipe.as_raw_fd())?;
        Ok(Console { pipe: Some(pipe), log: None, logged: 0, tail: Vec::new() })
    }

    /// To poll for input; -1 when nobody can write any more.
    pub fn fd(&self) -> RawFd {
        self.pipe.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Takes what is there, up to a bound so that a flood does not keep the keeper from its other duties.
    pub fn drain(&mut self) {
        let mut buffer = [0; 4096];
        for _ in 0..64 {
            match read(self.fd(), &mut buffer) {
                Ok(count) if count > 0 => self.keep(&buffer[..count]),
                Err(libc::EAGAIN) => return,
                _ => {
                    self.pipe = None;
                    return;
                }
            }
        }
    }

    pub fn tail(&self) -> String {
        String::from_utf8_lossy(&self.tail).trim().to_string()
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);

        if self.log.is_none() || self.logged + bytes.len() > LARGEST_LOG {
            if self.log.is_some() {
                let _ = std::fs::rename(LOG, PREVIOUS_LOG);
            }
            self.log = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(LOG).ok();
            self.logged = 0;
        }
        if let Some(log) = &mut self.log {
            let _ = log.write_all(bytes);
            self.logged += bytes.len();
        }
    }
}
