use super::console::Console;
use super::control::{self, Control};
use super::link::Linker;
use super::machine::Machine;
use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN, POLLOUT};
use crate::mux::{Engine, LARGEST_PAYLOAD, NONCE};
use crate::signals::Signals;
use crate::syscalls::{kill, poll, poll_entry, reap, receive, send, Ending, Waker};
use std::fs::File;
use std::io::Read;
use std::os::unix::io::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::thread;

/// What the thread that serves requests asks of the one that holds the line.
pub enum Order {
    Watch(UnixStream),
    /// Answered when the guest has taken everything. From then on nothing is sent, until `Release`; with `hold`, by neither.
    Sync { tell: Sender<bool>, hold: bool },
    /// `relink`: the connection is over, and what was held back goes on at the next.
    Release { relink: bool },
    Linked(UnixStream),
}

pub struct Orders {
    waiting: Mutex<Vec<Order>>,
    waker: Waker,
}

impl Orders {
    pub fn give(&self, order: Order) {
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.push(order);
        }
        self.waker.wake();
    }

    fn take(&self) -> Vec<Order> {
        self.waker.clear();
        self.waiting.lock().map_or_else(|_| Vec::new(), |mut waiting| std::mem::take(&mut *waiting))
    }
}

/// Carries streams and the console until the machine ends; answers with its exit code.
pub fn serve(machine: Machine) -> i32 {
    let Machine { pid, agents, controls, link, console, monitor, saved, signals } = machine;
    let waker = match Waker::new() {
        Ok(waker) => waker,
        Err(_) => return 1,
    };
    let orders = Arc::new(Orders { waiting: Mutex::new(Vec::new()), waker });
    let (linker, link) = match Linker::start(link, orders.clone()) {
        Ok(started) => started,
        Err(_) => return 1,
    };
    let control = Control { listener: controls, monitor, saved, link_is_cut: false, orders: orders.clone() };
    if thread::Builder::new().stack_size(128 * 1024).spawn(move || control::serve(control)).is_err() {
        return 1;
    }
    let _ = agents.set_nonblocking(true);
    let line = Line { agents, link, linker, engine: Engine::host(nonce()), console: Console::new(console), sync: None };
    match line.carry(&signals, &orders, pid) {
        Ok(Ending::Exited(code)) => code,
        Ok(Ending::Killed(signal)) => {
            eprintln!("warren-guest: the machine monitor was killed by signal {}", signal);
            128 + signal
        }
        Err(reason) => {
            eprintln!("warren-guest: the machine is ended: {}", reason);
            let _ = kill(pid, libc::SIGKILL);
            1
        }
    }
}

struct Line {
    agents: UnixListener,
    /// None while one is being made.
    link: Option<UnixStream>,
    linker: Linker,
    engine: Engine,
    console: Console,
    sync: Option<Sender<bool>>,
}

const FIXED: usize = 4;

impl Line {
    fn carry(mut self, signals: &Signals, orders: &Orders, pid: i32) -> Result<Ending, &'static str> {
        loop {
            let mut entries = self.poll_entries(signals, orders);
            let consoles = self.console.poll_entries();
            let streams = FIXED + consoles.len();
            entries.extend(consoles);
            entries.extend(self.engine.poll_entries());
            poll(&mut entries, -1);

            if entries[0].revents != 0 {
                signals.take();
                while let Some((ended, ending)) = reap(-1) {
                    if ended == pid {
                        return Ok(ending);
                    }
                }
            }
            // Before anything is received, which may end streams: the entries are of those that were there.
            self.engine.step(&entries[streams..]);
            self.console.step(&entries[FIXED..streams]);
            if entries[2].revents & (POLLIN | POLLHUP | POLLERR) != 0 {
                self.receive()?;
            }
            if entries[3].revents != 0 && self.engine.may_open() {
                if let Ok((stream, _)) = self.agents.accept() {
                    self.engine.open(stream.into());
                }
            }
            if entries[1].revents != 0 {
                self.obey(orders.take());
            }
            self.flush();
        }
    }

    fn poll_entries(&self, signals: &Signals, orders: &Orders) -> Vec<pollfd> {
        let link = POLLIN | if self.engine.sendable().is_empty() { 0 } else { POLLOUT };
        let accepts = if self.engine.may_open() { self.agents.as_raw_fd() } else { -1 };
        vec![
            poll_entry(signals.fd(), POLLIN),
            poll_entry(orders.waker.fd(), POLLIN),
            poll_entry(self.link.as_ref().map_or(-1, |link| link.as_raw_fd()), link),
            poll_entry(accepts, POLLIN),
        ]
    }

    fn receive(&mut self) -> Result<(), &'static str> {
        let mut buffer = [0; 2 * LARGEST_PAYLOAD];
        for _ in 0..4 {
            let link = match &self.link {
                Some(link) => link.as_raw_fd(),
                None => break,
            };
            match receive(link, &mut buffer, libc::MSG_DONTWAIT) {
                Ok(0) => {
                    self.lost();
                    break;
                }
                Ok(count) => {
                    let received = self.engine.receive(&buffer[..count], &mut || None);
                    received.map_err(|violation| violation.0)?;
                }
                Err(_) => break,
            }
        }
        if !self.engine.is_syncing() {
            if let Some(tell) = self.sync.take() {
                let _ = tell.send(true);
            }
        }
        Ok(())
    }

    fn obey(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Watch(watcher) => self.console.watch(watcher),
                Order::Sync { tell, hold } if self.link.is_some() && self.engine.is_welcome() => {
                    self.engine.sync(nonce(), hold);
                    self.sync = Some(tell);
                }
                Order::Sync { tell, .. } => drop(tell.send(false)),
                Order::Release { relink } => {
                    self.sync = None;
                    self.engine.release();
                    if relink && self.linker.ask() {
                        self.link = None;
                    }
                }
                Order::Linked(link) => self.link = Some(link),
            }
        }
    }

    /// A serial line ends with the machine, whose end is told by a signal. Else all streams are over, and there will be others;
    /// but where both sides hold back, they go on when that is over.
    fn lost(&mut self) {
        if self.engine.is_held() {
            self.link = None;
        } else if self.linker.ask() {
            self.link = None;
            self.sync = None;
            self.engine = Engine::host(nonce());
        }
    }

    fn flush(&mut self) {
        let link = match &self.link {
            Some(link) => link.as_raw_fd(),
            None => return,
        };
        while !self.engine.sendable().is_empty() {
            match send(link, self.engine.sendable(), libc::MSG_DONTWAIT) {
                Ok(count) => self.engine.sent(count),
                Err(_) => break,
            }
        }
    }
}

fn nonce() -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    if let Ok(mut random) = File::open("/dev/urandom") {
        let _ = random.read_exact(&mut nonce);
    }
    nonce
}
