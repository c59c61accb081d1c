use crate::libc::{self, pollfd, POLLIN};
use crate::syscalls::{poll_entry, receive, send};
use std::os::unix::io::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};

const MOST_WATCHERS: usize = 16;
const LONGEST_COMMAND: usize = 256;

/// The connections to keeper.sock: each is told the state, and may ask for the sandbox's end.
pub struct Watchers {
    listener: UnixListener,
    connections: Vec<Watcher>,
}

struct Watcher {
    stream: UnixStream,
    line: Vec<u8>,
}

impl Watchers {
    pub fn new(listener: UnixListener) -> Watchers {
        Watchers { listener, connections: Vec::new() }
    }

    pub fn poll_entries(&self) -> Vec<pollfd> {
        let connections = self.connections.iter().map(|watcher| poll_entry(watcher.stream.as_raw_fd(), POLLIN));
        [poll_entry(self.listener.as_raw_fd(), POLLIN)].into_iter().chain(connections).collect()
    }

    /// Takes what has arrived. True if somebody asked to kill the sandbox.
    pub fn step(&mut self, entries: &[pollfd], greeting: &str) -> bool {
        let ready = |fd: i32| entries.iter().any(|entry| entry.fd == fd && entry.revents != 0);
        let mut asked_to_kill = false;
        self.connections
            .retain_mut(|watcher| !ready(watcher.stream.as_raw_fd()) || watcher.take_commands(&mut asked_to_kill));
        if ready(self.listener.as_raw_fd()) {
            self.accept(greeting);
        }
        asked_to_kill
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
            self.connections.push(Watcher { stream, line: Vec::new() });
        }
    }
}

impl Watcher {
    /// False when it is gone.
    fn take_commands(&mut self, asked_to_kill: &mut bool) -> bool {
        let mut buffer = [0; LONGEST_COMMAND];
        match receive(self.stream.as_raw_fd(), &mut buffer, libc::MSG_DONTWAIT) {
            Ok(0) => return false,
            Ok(count) => self.line.extend_from_slice(&buffer[..count]),
            Err(libc::EAGAIN) => return true,
            Err(_) => return false,
        }
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let command: Vec<u8> = self.line.drain(..=end).collect();
            *asked_to_kill |= command == b"kill\n";
        }
        self.line.len() <= LONGEST_COMMAND
    }
}

fn tell(stream: &UnixStream, line: &str) {
    let _ = send(stream.as_raw_fd(), format!("{}\n", line).as_bytes(), libc::MSG_DONTWAIT);
}
