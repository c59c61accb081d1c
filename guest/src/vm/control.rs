//! Requests of the platform to the monitor itself, on a socket of their own: what comes here never came from the guest.

use super::monitor::Monitor;
use super::serve::{Order, Orders};
use super::snapshot::{pause, resume, save, Saved};
use crate::failure::{Failure, Outcome};
use crate::frames::{header, kind, FieldWriter, Fields, Frame, FrameBuffer};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::Duration;

/// Of VM_SAVE: the disk is saved too.
const WITH_DISK: u8 = 1;
const REQUEST: Duration = Duration::from_secs(10);

pub struct Control {
    pub listener: UnixListener,
    pub monitor: Box<dyn Monitor>,
    pub saved: Saved,
    /// Since it went on last.
    pub link_is_cut: bool,
    pub orders: Arc<Orders>,
}

/// One request after the other: none of them makes sense during another.
pub fn serve(mut control: Control) {
    loop {
        if let Ok((stream, _)) = control.listener.accept() {
            control.answer(stream);
        } else {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Control {
    fn answer(&mut self, mut stream: UnixStream) {
        let _ = stream.set_read_timeout(Some(REQUEST));
        let _ = stream.set_write_timeout(Some(REQUEST));
        let request = match request_of(&mut stream) {
            Some(request) => request,
            None => return,
        };
        if request.kind == kind::VM_CONSOLE {
            if stream.set_nonblocking(true).is_ok() {
                self.orders.give(Order::Watch(stream));
            }
            return;
        }
        match self.obey(&request) {
            Ok(payload) => tell(&mut stream, kind::OK, &payload),
            Err(failure) => tell(&mut stream, kind::ERROR, &failure.payload()),
        };
    }

    fn obey(&mut self, request: &Frame) -> Outcome<Vec<u8>> {
        let monitor = &mut *self.monitor;
        let done = match request.kind {
            kind::VM_STATUS => monitor.status().map(|status| FieldWriter::new().text(1, status).done()),
            kind::VM_PAUSE => pause(monitor, &self.orders).map(|()| Vec::new()),
            kind::VM_RESUME => resume(monitor, &self.orders, self.link_is_cut).map(|()| {
                self.link_is_cut = false;
                Vec::new()
            }),
            kind::VM_SAVE => {
                let with_disk = Fields::parse(&request.payload)?.flag(WITH_DISK);
                let paused = pause(monitor, &self.orders);
                // Not before: nothing is under way then.
                self.link_is_cut |= paused.is_ok() && monitor.saving_cuts_link();
                paused.and_then(|()| save(monitor, &self.saved, with_disk)).map(|()| Vec::new())
            }
            other => return Err(Failure::new("unsupported", format!("unknown request kind {:#04x}", other))),
        };
        done.map_err(|message| Failure::new("unavailable", message))
    }
}

fn request_of(stream: &mut UnixStream) -> Option<Frame> {
    let mut frames = FrameBuffer::default();
    let mut buffer = [0; 4096];
    loop {
        match frames.next() {
            Ok(Some(frame)) => return Some(frame),
            Ok(None) => {}
            Err(_) => return None,
        }
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => frames.push(&buffer[..count]),
            _ => return None,
        }
    }
}

fn tell(stream: &mut UnixStream, kind: u8, payload: &[u8]) -> bool {
    stream.write_all(&[&header(kind, payload.len())[..], payload].concat()).is_ok()
}
