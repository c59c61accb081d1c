use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN};
use crate::syscalls::{poll_entry, receive, send};
use std::os::unix::io::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};

const MOST_WATCHERS: usize = 16;
const LONGEST_COMMAND: usize = 256;

/// The connections to keeper.sock: each is told the state, and may ask for the start that is held back, for a copy of the
/// disk, or for the sandbox's end.
pub struct Watchers {
    listener: UnixListener,
    connections: Vec<Watcher>,
}

/// What those who are connected want.
#[derive(Default)]
pub struct Asked {
    pub kill: bool,
    pub run: bool,
    pub copy_disk: bool,
}

struct Watcher {
    stream: UnixStream,
    line: Vec<u8>,
    /// It may send no more and still listen.
    sends: bool,
}

impl Watchers {
    pub fn new(listener: UnixListener) -> Watchers {
        Watchers { listener, connections: Vec::new() }
    }

    pub fn poll_entries(&self) -> Vec<pollfd> {
        let connections = self.connections.iter().map(Watcher::poll_entry);
        [poll_entry(self.listener.as_raw_fd(), POLLIN)].into_iter().chain(connections).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes what has arrived, and answers what was asked for.
    pub fn step(&mut self, entries: &[pollfd], greeting: &str) -> Asked {
        let events = |fd: i32| entries.iter().find(|entry| entry.fd == fd).map_or(0, |entry| entry.revents);
        let mut asked = Asked::default();
        self.connections.retain_mut(|watcher| {
            let events = events(watcher.stream.as_raw_fd());
            if events & POLLIN != 0 {
                watcher.take_commands(&mut asked);
            }
            events & (POLLHUP | POLLERR) == 0
        });
        if events(self.listener.as_raw_fd()) != 0 {
            self.accept(greeting);
        }
        asked
    }

    pub fn tell_all(&self, line: &str) {
        for watcher in &self.connections {
            tell(&watcher.stream, line);
        }
    }

    fn accept(&mut self, greeting: &str) {
        if let Ok((stream, _)) = self.listener.accept() {
            tell(&stream, greeting);
            if self.connections.len() >= MOST_WATCHERS {
                self.connections.remove(0);
            }
            self.connections.push(Watcher { stream, line: Vec::new(), sends: true });
        }
    }
}

impl Watcher {
    fn poll_entry(&self) -> pollfd {
        poll_entry(self.stream.as_raw_fd(), if self.sends { POLLIN } else { 0 })
    }

    fn take_commands(&mut self, asked: &mut Asked) {
        let mut buffer = [0; LONGEST_COMMAND];
        match receive(self.stream.as_raw_fd(), &mut buffer, libc::MSG_DONTWAIT) {
            Ok(0) => self.sends = false,
            Ok(count) => self.line.extend_from_slice(&buffer[..count]),
            Err(_) => {}
        }
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let command: Vec<u8> = self.line.drain(..=end).collect();
            asked.kill |= command == b"kill\n";
            asked.run |= command == b"run\n";
            asked.copy_disk |= command == b"copy-disk\n";
        }
        self.sends &= self.line.len() <= LONGEST_COMMAND;
    }
}

fn tell(stream: &UnixStream, line: &str) {
    let _ = send(stream.as_raw_fd(), format!("{}\n", line).as_bytes(), libc::MSG_DONTWAIT);
}
