use super::connection::{Arrived, Connection};
use super::process::{Process, Viewer, STDERR, STDOUT};
use crate::failure::{Failure, Outcome};
use crate::frames::{header, kind, FieldWriter, Fields, Frame, CHUNK};
use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT};
use crate::syscalls::{poll_entry, Waker};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

/// Frames sent without looking at anything else, so that a chatty process cannot keep its pump from the clock.
const ROUNDS: usize = 8;

static LAST_VIEWER: AtomicU64 = AtomicU64::new(0);

/// One connection watching one process: output goes out from the ring, control frames come in. Never blocks.
pub struct View {
    connection: Connection,
    process: Arc<Process>,
    viewer: u64,
    output: bool,
    outbox: Vec<u8>,
    sent: usize,
    /// More may be sendable although the outbox is empty.
    more: bool,
    host_sends: bool,
    /// Control frames may wait unread although the socket says nothing: the process does not take its input.
    held_back: bool,
    lost_output: bool,
    /// Where output ends for this view, fixed once the run is complete: what lingers behind may write on.
    ends: Option<[u64; 2]>,
    exit_sent: bool,
}

pub struct From {
    /// `None`: no output, and control frames are answered.
    pub cursors: Option<[u64; 2]>,
    /// What wakes the thread that steps this view.
    pub waker: Arc<Waker>,
}

impl View {
    pub fn open(connection: Connection, process: Arc<Process>, from: From) -> View {
        let viewer = LAST_VIEWER.fetch_add(1, Ordering::Relaxed) + 1;
        let output = from.cursors.is_some();
        process.lock().viewers.push(Viewer { id: viewer, cursors: from.cursors, waker: from.waker });
        View {
            connection,
            process,
            viewer,
            output,
            outbox: Vec::new(),
            sent: 0,
            more: true,
            host_sends: true,
            held_back: true,
            lost_output: false,
            ends: None,
            exit_sent: false,
        }
    }

    /// What to wait for before the next step.
    pub fn poll_entry(&self) -> pollfd {
        let reading = if self.host_sends && !self.held_back { POLLIN } else { 0 };
        let writing = if self.more || !self.outbox.is_empty() { POLLOUT } else { 0 };
        poll_entry(self.connection.fd(), reading | writing)
    }

    /// Does what can be done now. False when the host is gone, or sends no more and has been told everything.
    pub fn step(&mut self, events: i16) -> bool {
        if events & (POLLHUP | POLLERR | POLLNVAL) != 0 {
            // What it sent before it went still counts: a hang-up may be the last thing said.
            self.take_control_frames();
            return false;
        }
        if (events & POLLIN != 0 || self.held_back) && !self.take_control_frames() {
            return false;
        }
        self.send_output()
    }

    fn take_control_frames(&mut self) -> bool {
        loop {
            self.held_back = self.process.lock().stdin_is_full();
            if self.held_back {
                return true;
            }
            match self.connection.receive_now() {
                Ok(Arrived::Frame(frame)) => self.control(frame),
                Ok(Arrived::Nothing) => return true,
                Ok(Arrived::End) => {
                    self.host_sends = false;
                    return true;
                }
                Err(malformed) => {
                    let _ = self.connection.fail(&malformed);
                    return false;
                }
            }
        }
    }

    fn control(&mut self, frame: Frame) {
        let done = apply(&self.process, &frame);
        if !self.output {
            match done {
                Ok(()) => self.queue(kind::OK, &[]),
                Err(failure) => self.queue(kind::ERROR, &failure.payload()),
            }
        }
    }

    fn send_output(&mut self) -> bool {
        for _ in 0..ROUNDS {
            if self.outbox.is_empty() && !self.exit_sent {
                self.more = self.fill();
            }
            match self.flush() {
                // What it sends meanwhile would find nobody, and a failed write loses it what it has not read yet.
                Ok(true) if self.exit_sent => return self.host_sends,
                Ok(true) if !self.more => return true,
                Ok(true) => {}
                Ok(false) => {
                    // By the time the rest can go, there may be.
                    self.more = true;
                    return true;
                }
                Err(()) => return false,
            }
        }
        true
    }

    /// Sends what is in the outbox. True when it is empty.
    fn flush(&mut self) -> Result<bool, ()> {
        while self.sent < self.outbox.len() {
            match self.connection.send_now(&self.outbox[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(libc::EAGAIN) => return Ok(false),
                Err(_) => return Err(()),
            }
        }
        self.outbox.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Puts the next output, or the exit, into the outbox. True if there may be more.
    fn fill(&mut self) -> bool {
        let process = self.process.clone();
        let mut state = process.lock();
        let cursors = state.viewers.iter().find(|viewer| viewer.id == self.viewer).and_then(|viewer| viewer.cursors);
        let now = [state.output[STDOUT].end(), state.output[STDERR].end()];
        if state.complete && self.ends.is_none() {
            self.ends = Some(now);
        }
        let ends = self.ends.unwrap_or(now);
        let mut reached = cursors.unwrap_or(ends);
        for (stream, frame_kind) in [(STDOUT, kind::STDOUT), (STDERR, kind::STDERR)] {
            let before = reached[stream];
            let limit = ends[stream].saturating_sub(before).min(CHUNK as u64) as usize;
            if limit == 0 {
                continue;
            }
            let start = self.outbox.len();
            self.outbox.extend_from_slice(&[0; 13]);
            let (offset, count) = state.output[stream].copy(before, limit, &mut self.outbox);
            self.lost_output |= offset > before;
            reached[stream] = offset + count as u64;
            if count == 0 {
                self.outbox.truncate(start);
            } else if let Some(head) = self.outbox.get_mut(start..start + 13) {
                head[..5].copy_from_slice(&header(frame_kind, 8 + count));
                head[5..].copy_from_slice(&offset.to_be_bytes());
            }
        }
        if let Some(viewer) = state.viewers.iter_mut().find(|viewer| viewer.id == self.viewer) {
            viewer.cursors = viewer.cursors.map(|_| reached);
        }
        state.wake_waiting_pump();
        let finished =
            self.ends.map_or(false, |ends| reached[STDOUT] >= ends[STDOUT] && reached[STDERR] >= ends[STDERR]);
        let exit = state.exit;
        drop(state);
        match exit {
            Some(exit) if finished => {
                let fields = exit.ending_fields(FieldWriter::new(), [1, 2]).text(3, exit.reason).text(4, exit.ms);
                self.queue(kind::EXIT, &fields.flag(5, self.lost_output).done());
                self.exit_sent = true;
                false
            }
            _ => reached != ends,
        }
    }

    fn queue(&mut self, kind: u8, payload: &[u8]) {
        self.outbox.extend_from_slice(&header(kind, payload.len()));
        self.outbox.extend_from_slice(payload);
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let mut state = self.process.lock();
        state.viewers.retain(|viewer| viewer.id != self.viewer);
        state.wake_waiting_pump();
        drop(state);
        // Input left unread would turn the host's last reads into a connection reset.
        while let Ok(Arrived::Frame(_)) = self.connection.receive_now() {}
    }
}

fn apply(process: &Process, frame: &Frame) -> Outcome<()> {
    match frame.kind {
        kind::STDIN => process.write_stdin(&frame.payload),
        kind::STDIN_EOF => process.end_stdin(),
        kind::CONTROL_SIGNAL => {
            let fields = Fields::parse(&frame.payload)?;
            let signal = fields.number(1)?.unwrap_or(0).min(i32::MAX as u64) as i32;
            process.signal(signal, fields.get(2).map_or(true, |group| group == b"1"))
        }
        kind::RESIZE => {
            let fields = Fields::parse(&frame.payload)?;
            process.resize(fields.number(1)?.unwrap_or(80), fields.number(2)?.unwrap_or(24))
        }
        other => Err(Failure::new("unsupported", format!("no control frame of kind {:#04x}", other))),
    }
}
