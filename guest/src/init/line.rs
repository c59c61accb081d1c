use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN, POLLOUT};
use crate::mux::{Engine, LARGEST_PAYLOAD};
use crate::syscalls::{poll, poll_entry, read, set_nonblocking, write, Errno};
use std::fs::{File, OpenOptions};
use std::os::unix::io::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// Nobody at the other end, or a host that does not keep to the protocol: it will greet us again.
const UNTIL_SOMEBODY_COMES: Duration = Duration::from_millis(20);

/// Opens the serial line at `path` and answers with the connections that the host makes over it.
pub fn open(path: &str) -> Result<Receiver<UnixStream>, String> {
    let line = OpenOptions::new().read(true).write(true).open(path);
    let line = line.map_err(|error| format!("cannot open {}: {}", path, error))?;
    set_nonblocking(line.as_raw_fd()).map_err(|errno| super::failed("use the serial line", errno))?;
    let (connections, taken) = channel();
    let carrier = thread::Builder::new().stack_size(256 * 1024).spawn(move || carry(line, connections));
    carrier.map(|_| taken).map_err(|error| format!("cannot start a thread: {}", error))
}

fn carry(line: File, connections: Sender<UnixStream>) {
    let mut engine = Engine::guest();
    loop {
        let writes = if engine.outbox.is_empty() { 0 } else { POLLOUT };
        let mut entries: Vec<pollfd> = vec![poll_entry(line.as_raw_fd(), POLLIN | writes)];
        entries.extend(engine.poll_entries());
        poll(&mut entries, -1);
        engine.step(&entries[1..]);
        if entries[0].revents & (POLLHUP | POLLERR) != 0 {
            thread::sleep(UNTIL_SOMEBODY_COMES);
        }
        if entries[0].revents & POLLIN != 0 && receive(&line, &mut engine, &connections).is_err() {
            engine = Engine::guest();
        }
        flush(&line, &mut engine);
    }
}

fn receive(line: &File, engine: &mut Engine, connections: &Sender<UnixStream>) -> Result<(), ()> {
    let mut buffer = [0; 2 * LARGEST_PAYLOAD];
    let mut opener = || {
        let (ours, agents) = UnixStream::pair().ok()?;
        connections.send(agents).ok()?;
        Some(ours.into())
    };
    match read(line.as_raw_fd(), &mut buffer) {
        Ok(count) => engine.receive(&buffer[..count], &mut opener).map_err(drop),
        Err(_) => Ok(()),
    }
}

fn flush(line: &File, engine: &mut Engine) {
    let mut sent = 0;
    while sent < engine.outbox.len() {
        let piece = &engine.outbox[sent..];
        let written: Result<usize, Errno> = write(line.as_raw_fd(), &piece[..piece.len().min(2 * LARGEST_PAYLOAD)]);
        match written {
            Ok(count) => sent += count,
            Err(libc::EAGAIN) => break,
            Err(_) => break,
        }
    }
    engine.outbox.drain(..sent);
}
