use super::connection::Connection;
use super::host_socket::HostSocket;
use super::requests::{self, Thread};
use super::Agent;
use crate::libc::POLLIN;
use crate::syscalls::{describe, poll, poll_entry, Waker};
use std::io::{Error, ErrorKind};
use std::mem::ManuallyDrop;
use std::os::unix::io::{AsRawFd, FromRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

const STACK: usize = 128 * 1024;
/// Threads kept waiting for connections, so that a request need not wait for one to be made.
const MOST_IDLE: usize = 2;
const PATIENCE_WITHOUT_THREAD: Duration = Duration::from_millis(200);

/// Where connections come from.
pub enum Source {
    Socket(UnixListener),
    /// In a microVM: from the serial line.
    Line(Mutex<Receiver<UnixStream>>),
}

/// The threads that serve connections, in turn: who has taken one sees to it that another waits for the next.
pub struct Workers {
    source: Mutex<Option<Arc<Source>>>,
    /// Wakes those who wait for a connection when there is nothing to wait for any more.
    leave: Waker,
    idle: AtomicUsize,
}

impl Workers {
    pub fn new() -> Result<Workers, String> {
        let leave = Waker::new().map_err(describe)?;
        Ok(Workers { source: Mutex::new(None), leave, idle: AtomicUsize::new(0) })
    }

    /// From now on nobody takes connections from the listener; it closes when the last who waited on it has left.
    pub fn stop_listening(&self) {
        self.set(None);
        self.leave.wake();
    }

    /// Whether somebody still waits for connections.
    pub fn wait(&self) -> bool {
        self.idle.load(Ordering::SeqCst) > 0
    }

    fn set(&self, source: Option<Arc<Source>>) {
        *self.source.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = source;
    }

    fn source(&self) -> Option<Arc<Source>> {
        self.source.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

/// Serves the connections that come from `source`.
pub fn start(agent: &'static Agent, source: Source) -> Result<(), Error> {
    if let Source::Socket(listener) = &source {
        // Two may see the same connection coming, and one of them gets it.
        listener.set_nonblocking(true)?;
    }
    agent.workers.leave.clear();
    agent.workers.set(Some(Arc::new(source)));
    add(agent)
}

fn add(agent: &'static Agent) -> Result<(), Error> {
    let idle = &agent.workers.idle;
    idle.fetch_add(1, Ordering::SeqCst);
    let started = thread::Builder::new().stack_size(STACK).spawn(move || work(agent));
    if started.is_err() {
        idle.fetch_sub(1, Ordering::SeqCst);
    }
    started.map(drop)
}

fn work(agent: &'static Agent) {
    let idle = &agent.workers.idle;
    loop {
        let socket = match next_connection(&agent.workers) {
            Some(socket) => socket,
            None => {
                idle.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        };
        let nobody_waits = idle.fetch_sub(1, Ordering::SeqCst) == 1;
        let thread = if nobody_waits && add(agent).is_err() {
            serve_impatiently(agent, socket)
        } else {
            requests::serve(agent, Connection::new(socket))
        };
        if let Thread::Spent = thread {
            return;
        }
        if idle.fetch_add(1, Ordering::SeqCst) >= MOST_IDLE {
            idle.fetch_sub(1, Ordering::SeqCst);
            return;
        }
    }
}

/// `None` when the agent does not listen any more.
fn next_connection(workers: &Workers) -> Option<HostSocket> {
    loop {
        let accepted = match &*workers.source()? {
            Source::Socket(listener) => accept(listener, &workers.leave),
            // Nobody ever stops listening to it.
            Source::Line(connections) => receive(connections),
        };
        match accepted {
            Ok(stream) => return Some(HostSocket::new(stream.into())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Out of descriptors or memory for now; connections wait in the backlog.
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Fails with `WouldBlock` when another was faster, or when there is nothing to wait for any more.
fn accept(listener: &UnixListener, leave: &Waker) -> Result<UnixStream, Error> {
    let mut entries = [poll_entry(listener.as_raw_fd(), POLLIN), poll_entry(leave.fd(), POLLIN)];
    poll(&mut entries, -1);
    if entries[0].revents == 0 {
        return Err(ErrorKind::WouldBlock.into());
    }
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(false).map(|()| stream)
}

fn receive(line: &Mutex<Receiver<UnixStream>>) -> Result<UnixStream, Error> {
    let line = line.lock().map_err(|_| Error::from(ErrorKind::Other))?;
    line.recv().map_err(|_| ErrorKind::BrokenPipe.into())
}

/// A slow host must not keep the only thread there is.
fn serve_impatiently(agent: &'static Agent, socket: HostSocket) -> Thread {
    let stream = ManuallyDrop::new(unsafe { UnixStream::from_raw_fd(socket.as_raw_fd()) });
    let _ = stream.set_read_timeout(Some(PATIENCE_WITHOUT_THREAD));
    let _ = stream.set_write_timeout(Some(PATIENCE_WITHOUT_THREAD));
    requests::serve_without_thread(agent, Connection::new(socket));
    Thread::Reusable
}
