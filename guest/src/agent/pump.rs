use super::process::{Process, STDERR, STDOUT};
use super::view::View;
use super::Agent;
use crate::frames::CHUNK;
use crate::libc::{self, POLLIN, POLLOUT};
use crate::syscalls::{check, kill, poll, poll_entry, read, write, Ending, Waker};
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TERMINATE_GRACE: Duration = Duration::from_millis(500);
/// After the exit, output still belongs to the run until it pauses for this long …
const QUIET: Duration = Duration::from_millis(50);
/// … or, where something left behind never pauses, until this long after the exit.
const DRAIN_LIMIT: Duration = Duration::from_millis(250);
const END_OF_TRANSMISSION: &[u8] = &[4];

/// Moves bytes between a process and its rings, and enforces its time limit; steps the view of the connection that
/// started it, if that is still there. Goes on after the exit while something left behind holds the pipes: closing them
/// would kill a server that logs.
pub struct Pump {
    pub agent: &'static Agent,
    pub process: Arc<Process>,
    pub waker: Arc<Waker>,
    pub output: [Option<OwnedFd>; 2],
    pub stdin: Option<OwnedFd>,
    pub view: Option<View>,
    pub deadline: Option<Instant>,
}

struct Draining {
    since: Instant,
    last_output: Instant,
    /// Bytes that were in the pipes at the exit.
    owed: [usize; 2],
}

impl Pump {
    pub fn run(mut self) {
        let mut scratch = vec![0; CHUNK];
        let mut kill_at = None;
        let mut draining: Option<Draining> = None;
        let mut complete = false;
        loop {
            let (room, input_waiting) = self.look();
            let wanted = |stream: usize| match &self.output[stream] {
                Some(pipe) if room[stream] > 0 => poll_entry(pipe.as_raw_fd(), POLLIN),
                _ => poll_entry(-1, 0),
            };
            let stdin = self.stdin.as_ref().filter(|_| input_waiting);
            let mut entries = [
                poll_entry(self.waker.fd(), POLLIN),
                wanted(STDOUT),
                wanted(STDERR),
                stdin.map_or(poll_entry(-1, 0), |pipe| poll_entry(pipe.as_raw_fd(), POLLOUT)),
                self.view.as_ref().map_or(poll_entry(-1, 0), View::poll_entry),
            ];
            let drain_check = draining.as_ref().filter(|_| !complete).map(|drain| drain.last_output + QUIET);
            poll(&mut entries, milliseconds_until([self.deadline, kill_at, drain_check]));
            if entries[0].revents != 0 {
                self.waker.clear();
            }

            for stream in [STDOUT, STDERR] {
                if entries[1 + stream].revents != 0 {
                    let count = self.read_output(stream, room[stream], &mut scratch);
                    if let Some(drain) = draining.as_mut().filter(|_| count > 0) {
                        drain.last_output = Instant::now();
                        drain.owed[stream] = drain.owed[stream].saturating_sub(count);
                    }
                }
            }
            if input_waiting {
                self.write_input();
            }
            self.enforce_time_limit(&mut kill_at);
            if draining.is_none() && self.process.lock().exit.is_some() {
                draining = Some(self.start_draining());
            }
            if let Some(drain) = draining.as_mut().filter(|_| !complete) {
                if self.is_drained(drain, &room) {
                    self.finish();
                    complete = true;
                    kill_at = None;
                }
            }
            let events = entries[4].revents;
            if self.view.as_mut().map_or(false, |view| !view.step(events)) {
                self.view = None;
            }
            if complete && self.view.is_none() && self.output.iter().all(Option::is_none) {
                return;
            }
        }
    }

    fn look(&self) -> ([usize; 2], bool) {
        let mut state = self.process.lock();
        let room = [state.room(STDOUT), state.room(STDERR)];
        state.pump_waits = (0..2).any(|stream| self.output[stream].is_some() && room[stream] == 0);
        (room, !state.stdin.queue.is_empty() || (state.stdin.ending && state.stdin.open))
    }

    fn read_output(&mut self, stream: usize, room: usize, scratch: &mut [u8]) -> usize {
        let limit = room.min(scratch.len());
        let pipe = match &self.output[stream] {
            Some(pipe) => pipe.as_raw_fd(),
            None => return 0,
        };
        match read(pipe, &mut scratch[..limit]) {
            Ok(count) if count > 0 => {
                let bytes = &scratch[..count];
                let mut state = self.process.lock();
                state.output[stream].push(bytes);
                state.wake_viewers();
                drop(state);
                let name = if self.process.pty { "pty" } else { ["stdout", "stderr"][stream] };
                self.log(name, bytes);
                count
            }
            Err(libc::EAGAIN) => 0,
            // A terminal reports its end as EIO.
            _ => {
                self.output[stream] = None;
                0
            }
        }
    }

    fn write_input(&mut self) {
        let mut state = self.process.lock();
        let pipe = match &self.stdin {
            Some(pipe) => pipe.as_raw_fd(),
            None => return state.close_stdin(),
        };
        let was_full = state.stdin_is_full();
        let written = match state.stdin.queue.as_slices().0 {
            [] => Ok(0),
            bytes => write(pipe, bytes),
        };
        match written {
            Ok(count) => drop(state.stdin.queue.drain(..count)),
            Err(libc::EAGAIN) => {}
            Err(_) => {
                state.close_stdin();
                self.stdin = None;
            }
        }
        if state.stdin.queue.is_empty() && state.stdin.ending {
            if self.process.pty {
                let _ = write(pipe, END_OF_TRANSMISSION);
                state.stdin.ending = false;
            } else {
                state.close_stdin();
                self.stdin = None;
            }
        }
        if was_full && !state.stdin_is_full() {
            state.wake_viewers();
        }
    }

    fn enforce_time_limit(&mut self, kill_at: &mut Option<Instant>) {
        let now = Instant::now();
        if self.deadline.map_or(false, |deadline| now >= deadline) {
            self.deadline = None;
            let mut state = self.process.lock();
            if state.exit.is_none() {
                state.timed_out = true;
                let _ = kill(-self.process.pid, libc::SIGTERM);
                *kill_at = Some(now + TERMINATE_GRACE);
            }
        }
        if kill_at.map_or(false, |at| now >= at) {
            *kill_at = None;
            let _ = kill(-self.process.pid, libc::SIGKILL);
        }
    }

    fn start_draining(&self) -> Draining {
        let owed = |stream: usize| {
            let mut bytes: libc::c_int = 0;
            let pipe = self.output[stream].as_ref().map_or(-1, AsRawFd::as_raw_fd);
            check(unsafe { libc::ioctl(pipe, libc::FIONREAD, &mut bytes) }).map_or(0, |_| bytes.max(0) as usize)
        };
        let now = Instant::now();
        Draining { since: now, last_output: now, owed: [owed(STDOUT), owed(STDERR)] }
    }

    fn is_drained(&self, drain: &mut Draining, room: &[usize; 2]) -> bool {
        let open = |stream: usize| self.output[stream].is_some();
        if !open(STDOUT) && !open(STDERR) {
            return true;
        }
        let now = Instant::now();
        if (0..2).any(|stream| open(stream) && room[stream] == 0) {
            drain.last_output = now;
            return false;
        }
        let owing = (0..2).any(|stream| open(stream) && drain.owed[stream] > 0);
        !owing && (now >= drain.last_output + QUIET || now >= drain.since + DRAIN_LIMIT)
    }

    fn finish(&mut self) {
        self.stdin = None;
        let mut state = self.process.lock();
        state.complete = true;
        state.terminal = None;
        state.pump = None;
        state.close_stdin();
        if state.timed_out {
            let _ = kill(-self.process.pid, libc::SIGKILL);
        }
        state.wake_viewers();
        let text = match state.exit.map(|exit| (exit.ending, exit.reason)) {
            Some((Ending::Exited(code), reason)) => format!("{}: code {}", reason, code),
            Some((Ending::Killed(signal), "timeout")) => format!("timeout: signal {}", signal),
            // Whether it was for want of memory, only the host can tell.
            Some((Ending::Killed(signal), _)) => format!("signaled: signal {}", signal),
            None => return,
        };
        drop(state);
        self.log("event", text.as_bytes());
    }

    fn log(&self, name: &'static str, bytes: &[u8]) {
        if !self.process.trial {
            self.agent.logs.push(self.process.id, name, bytes);
        }
    }
}

fn milliseconds_until(times: [Option<Instant>; 3]) -> i32 {
    let now = Instant::now();
    let soonest = times.iter().flatten().min();
    // Rounded up: waking a moment early would spin.
    soonest.map_or(-1, |time| time.saturating_duration_since(now).as_millis().min(60_000) as i32 + 1)
}
