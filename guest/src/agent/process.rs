use super::output_ring::OutputRing;
use crate::failure::{Failure, Outcome};
use crate::frames::FieldWriter;
use crate::libc;
use crate::syscalls::{check, kill, Ending, Waker};
use std::collections::VecDeque;
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

pub const STDOUT: usize = 0;
pub const STDERR: usize = 1;

const SHOWN_ARGV: usize = 16 * 1024;

/// Input taken from viewers ahead of what the process has read.
const STDIN_AHEAD: usize = 256 * 1024;

/// One process started by the host, running or remembered.
///
/// Its pump alone touches its pipes; viewers (one for each connection that watches) meet the pump in `State`.
pub struct Process {
    pub id: u64,
    pub pid: i32,
    pub argv: Vec<Vec<u8>>,
    pub user: String,
    pub cwd: Vec<u8>,
    pub tag: Option<Vec<u8>>,
    pub pty: bool,
    /// Nothing of it is kept: no number, no log, no memory of it once it has ended.
    pub trial: bool,
    pub started: Instant,
    pub started_ms: u64,
    pub state: Mutex<State>,
}

pub struct State {
    /// Wakes the pump; none once the run is complete.
    pub pump: Option<Arc<Waker>>,
    pub output: [OutputRing; 2],
    pub stdin: Stdin,
    pub viewers: Vec<Viewer>,
    pub terminal: Option<OwnedFd>,
    pub exit: Option<Exit>,
    /// All output that belongs to the run is in `output`; set by the pump after `exit`.
    pub complete: bool,
    pub timed_out: bool,
    pub killed_by_host: bool,
    /// The pump reads nothing until a viewer has taken some output.
    pub pump_waits: bool,
}

pub struct Stdin {
    pub open: bool,
    pub ending: bool,
    pub queue: VecDeque<u8>,
}

pub struct Viewer {
    pub id: u64,
    /// Offsets it has read up to; `None` for one that does not want output.
    pub cursors: Option<[u64; 2]>,
    pub waker: Arc<Waker>,
}

#[derive(Clone, Copy)]
pub struct Exit {
    pub ending: Ending,
    pub reason: &'static str,
    pub ms: u64,
    pub at: Instant,
}

impl Process {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Sends `signal` to the process or its whole group. The pid is certain: nobody reaps without holding the state.
    pub fn signal(&self, signal: i32, group: bool) -> Outcome<()> {
        if !(0..=64).contains(&signal) {
            return Err(Failure::new("invalid", format!("no such signal: {}", signal)));
        }
        let mut state = self.lock();
        if state.exit.is_some() {
            // What it left in its group keeps the number of the group taken; an empty group has nobody to signal.
            let left = if group { kill(-self.pid, signal) } else { Err(libc::ESRCH) };
            return left.map_err(|_| Failure::new("not_found", format!("process {} has already ended", self.id)));
        }
        state.killed_by_host |= signal == libc::SIGKILL;
        let target = if group { -self.pid } else { self.pid };
        kill(target, signal).map_err(|errno| Failure::from_errno(errno, format!("cannot signal process {}", self.id)))
    }

    pub fn resize(&self, columns: u64, rows: u64) -> Outcome<()> {
        match &self.lock().terminal {
            Some(terminal) => set_window_size(terminal, columns, rows),
            None => Err(Failure::new("invalid", format!("process {} has no terminal", self.id))),
        }
    }

    pub fn write_stdin(&self, bytes: &[u8]) -> Outcome<()> {
        self.with_stdin(|stdin| stdin.queue.extend(bytes))
    }

    pub fn end_stdin(&self) -> Outcome<()> {
        self.with_stdin(|stdin| stdin.ending = true)
    }

    fn with_stdin(&self, change: impl FnOnce(&mut Stdin)) -> Outcome<()> {
        let mut state = self.lock();
        if !state.stdin.open || state.stdin.ending {
            return Err(Failure::new("invalid", format!("the standard input of process {} is closed", self.id)));
        }
        change(&mut state.stdin);
        state.wake_pump();
        Ok(())
    }

    /// As much of argv as anybody wants to see in a list.
    pub fn shown_argv(&self) -> impl Iterator<Item = &[u8]> {
        let mut room = SHOWN_ARGV;
        self.argv.iter().map(Vec::as_slice).take_while(move |word| {
            let fits = word.len() < room;
            room = room.saturating_sub(word.len() + 1);
            fits
        })
    }

    pub fn entry(&self) -> Vec<u8> {
        let exit = self.lock().exit;
        let fields = FieldWriter::new()
            .text(1, self.id)
            .text(2, self.pid)
            .list(3, self.shown_argv())
            .text(4, &self.user)
            .bytes(5, &self.cwd)
            .text(6, self.started_ms)
            .list(7, self.tag.as_deref())
            .flag(8, self.pty)
            .text(9, if exit.is_some() { "exited" } else { "running" });
        match exit {
            Some(exit) => exit.ending_fields(fields, [10, 11]).text(12, exit.reason).done(),
            None => fields.done(),
        }
    }
}

impl State {
    pub fn new(pump: Arc<Waker>, buffer: usize, stdin_open: bool, terminal: Option<OwnedFd>) -> State {
        State {
            pump: Some(pump),
            output: [OutputRing::new(buffer), OutputRing::new(buffer)],
            stdin: Stdin { open: stdin_open, ending: false, queue: VecDeque::new() },
            viewers: Vec::new(),
            terminal,
            exit: None,
            complete: false,
            timed_out: false,
            killed_by_host: false,
            pump_waits: false,
        }
    }

    /// How much may be appended without dropping what a viewer has not read yet.
    pub fn room(&self, stream: usize) -> usize {
        let ring = &self.output[stream];
        let slowest = self.viewers.iter().filter_map(|viewer| viewer.cursors).map(|cursors| cursors[stream]).min();
        match slowest {
            Some(cursor) => ring.capacity().saturating_sub(ring.end().saturating_sub(cursor) as usize),
            None => usize::MAX,
        }
    }

    pub fn stdin_is_full(&self) -> bool {
        self.stdin.queue.len() >= STDIN_AHEAD
    }

    pub fn close_stdin(&mut self) {
        self.stdin.open = false;
        self.stdin.queue = VecDeque::new();
    }

    pub fn wake_pump(&self) {
        self.pump.iter().for_each(|pump| pump.wake());
    }

    /// A viewer has taken output, or left.
    pub fn wake_waiting_pump(&mut self) {
        if std::mem::take(&mut self.pump_waits) {
            self.wake_pump();
        }
    }

    pub fn wake_viewers(&self) {
        self.viewers.iter().for_each(|viewer| viewer.waker.wake());
    }

    /// Records the end; the caller has just reaped the process while holding this state.
    pub fn set_exit(&mut self, ending: Ending, started: Instant) {
        let reason = match ending {
            _ if self.timed_out => "timeout",
            Ending::Exited(_) => "exited",
            Ending::Killed(libc::SIGKILL) if !self.killed_by_host => "oom_suspected",
            Ending::Killed(_) => "signaled",
        };
        self.wake_pump();
        let at = Instant::now();
        self.exit = Some(Exit { ending, reason, ms: at.duration_since(started).as_millis() as u64, at });
    }
}

impl Exit {
    pub fn ending_fields(&self, fields: FieldWriter, [code_tag, signal_tag]: [u8; 2]) -> FieldWriter {
        match self.ending {
            Ending::Exited(code) => fields.text(code_tag, code),
            Ending::Killed(signal) => fields.text(signal_tag, signal),
        }
    }
}

pub fn set_window_size(terminal: &OwnedFd, columns: u64, rows: u64) -> Outcome<()> {
    let size = libc::winsize {
        ws_row: rows.min(u16::MAX.into()) as u16,
        ws_col: columns.min(u16::MAX.into()) as u16,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) })
        .map(drop)
        .map_err(|errno| Failure::from_errno(errno, "cannot resize the terminal"))
}
