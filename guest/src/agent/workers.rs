use super::connection::Connection;
use super::requests::{self, Thread};
use super::Agent;
use std::io::Error;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::Mutex;
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

impl Source {
    fn accept(&self) -> Option<UnixStream> {
        match self {
            Source::Socket(listener) => listener.accept().ok().map(|(stream, _)| stream),
            Source::Line(connections) => connections.lock().ok()?.recv().ok(),
        }
    }
}

struct Workers {
    agent: &'static Agent,
    source: Source,
    idle: AtomicUsize,
}

/// Serves connections on threads that take them in turn: who has taken one sees to it that another waits for the next.
pub fn start(agent: &'static Agent, source: Source) -> Result<(), Error> {
    add(Box::leak(Box::new(Workers { agent, source, idle: AtomicUsize::new(0) })))
}

fn add(workers: &'static Workers) -> Result<(), Error> {
    workers.idle.fetch_add(1, Ordering::SeqCst);
    let started = thread::Builder::new().stack_size(STACK).spawn(move || work(workers));
    if started.is_err() {
        workers.idle.fetch_sub(1, Ordering::SeqCst);
    }
    started.map(drop)
}

fn work(workers: &'static Workers) {
    loop {
        let stream = match workers.source.accept() {
            Some(stream) => stream,
            None => {
                // Out of descriptors or memory for now; connections wait in the backlog.
                thread::sleep(Duration::from_millis(10));
                continue;
            }
        };
        let nobody_waits = workers.idle.fetch_sub(1, Ordering::SeqCst) == 1;
        let thread = if nobody_waits && add(workers).is_err() {
            serve_impatiently(workers.agent, stream)
        } else {
            requests::serve(workers.agent, Connection::new(stream.into()))
        };
        if let Thread::Spent = thread {
            return;
        }
        if workers.idle.fetch_add(1, Ordering::SeqCst) >= MOST_IDLE {
            workers.idle.fetch_sub(1, Ordering::SeqCst);
            return;
        }
    }
}

/// A slow host must not keep the only thread there is.
fn serve_impatiently(agent: &'static Agent, stream: UnixStream) -> Thread {
    let _ = stream.set_read_timeout(Some(PATIENCE_WITHOUT_THREAD));
    let _ = stream.set_write_timeout(Some(PATIENCE_WITHOUT_THREAD));
    requests::serve_without_thread(agent, Connection::new(stream.into()));
    Thread::Reusable
}
