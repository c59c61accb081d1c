use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN};
use crate::syscalls::{poll_entry, read, receive, send, write};
use std::collections::VecDeque;
use std::os::unix::io::AsRawFd;
use std::os::unix::net::UnixStream;

/// What somebody who attaches sees first.
const REMEMBERED: usize = 64 * 1024;
const MOST_WATCHERS: usize = 8;

/// The machine's serial console: what it prints goes to our standard output, which the keeper keeps, and to whoever
/// watches; what those type goes in. Nobody who reads slowly holds it up: for them, something is left out.
pub struct Console {
    line: UnixStream,
    remembered: VecDeque<u8>,
    watchers: Vec<UnixStream>,
}

impl Console {
    pub fn new(line: UnixStream) -> Console {
        Console { line, remembered: VecDeque::new(), watchers: Vec::new() }
    }

    pub fn watch(&mut self, watcher: UnixStream) {
        let past: Vec<u8> = self.remembered.iter().copied().collect();
        let _ = send(watcher.as_raw_fd(), &past, libc::MSG_DONTWAIT);
        if self.watchers.len() >= MOST_WATCHERS {
            self.watchers.remove(0);
        }
        self.watchers.push(watcher);
    }

    pub fn poll_entries(&self) -> Vec<pollfd> {
        let watchers = self.watchers.iter().map(|watcher| poll_entry(watcher.as_raw_fd(), POLLIN));
        [poll_entry(self.line.as_raw_fd(), POLLIN)].into_iter().chain(watchers).collect()
    }

    pub fn step(&mut self, entries: &[pollfd]) {
        if entries.first().map_or(false, |entry| entry.revents & POLLIN != 0) {
            self.print();
        }
        let line = self.line.as_raw_fd();
        let mut events = entries.iter().skip(1).map(|entry| entry.revents);
        self.watchers.retain(|watcher| {
            let events = events.next().unwrap_or(0);
            if events & POLLIN == 0 {
                return events & (POLLHUP | POLLERR) == 0;
            }
            let mut typed = [0; 1024];
            match receive(watcher.as_raw_fd(), &mut typed, libc::MSG_DONTWAIT) {
                Ok(0) => false,
                Ok(count) => {
                    let _ = send(line, &typed[..count], libc::MSG_DONTWAIT);
                    true
                }
                Err(errno) => errno == libc::EAGAIN,
            }
        });
    }

    fn print(&mut self) {
        let mut printed = [0; 4096];
        let count = match read(self.line.as_raw_fd(), &mut printed) {
            Ok(count) if count > 0 => count,
            _ => return,
        };
        let printed = &printed[..count];
        let _ = write(1, printed);
        self.remembered.extend(printed);
        let excess = self.remembered.len().saturating_sub(REMEMBERED);
        self.remembered.drain(..excess);
        for watcher in &self.watchers {
            let _ = send(watcher.as_raw_fd(), printed, libc::MSG_DONTWAIT);
        }
    }
}
