//! The launcher: starts keepers for the platform, whose own process is too large to be forked for each of them.
//!
//! Requests are frames on stdin. The keepers report on the stdout they inherit; of one that has ended the launcher says
//! so, in case it could not report. It ends with its stdin: that is how it goes when the platform does.

use crate::frames::{kind, Fields, Frame, FrameBuffer};
use crate::keeper::{report, StartFailure};
use crate::libc::{self, POLLIN};
use crate::signals::Signals;
use crate::syscalls::{poll, poll_entry, read, reap};
use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const ID: u8 = 1;
const ARGUMENT: u8 = 2;

pub fn main() -> i32 {
    let signals = match Signals::open(&[libc::SIGCHLD]) {
        Ok(signals) => signals,
        Err(_) => return 1,
    };
    let mut requests = FrameBuffer::default();
    let mut keepers: HashMap<i32, String> = HashMap::new();
    loop {
        let mut entries = [poll_entry(0, POLLIN), poll_entry(signals.fd(), POLLIN)];
        poll(&mut entries, -1);
        if entries[0].revents != 0 && !take(&mut requests) {
            return 0;
        }
        while let Ok(Some(request)) = requests.next() {
            launch(&request, &mut keepers);
        }
        signals.take();
        while let Some((pid, _)) = reap(-1) {
            if let Some(id) = keepers.remove(&pid) {
                report::ended(&id);
            }
        }
    }
}

/// False at the end of the requests.
fn take(requests: &mut FrameBuffer) -> bool {
    let mut buffer = [0; 16 * 1024];
    match read(0, &mut buffer) {
        Ok(0) => false,
        Ok(count) => {
            requests.push(&buffer[..count]);
            true
        }
        Err(errno) => errno == libc::EINTR || errno == libc::EAGAIN,
    }
}

fn launch(request: &Frame, keepers: &mut HashMap<i32, String>) {
    let fields = match Fields::parse(&request.payload) {
        Ok(fields) if request.kind == kind::LAUNCH => fields,
        _ => return,
    };
    let id = fields.text(ID).unwrap_or_default().to_string();
    let arguments = fields.all(ARGUMENT).map(|argument| String::from_utf8_lossy(argument).into_owned());
    let mut keeper = Command::new("/proc/self/exe");
    match keeper.arg0("warren-guest").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).spawn() {
        Ok(child) => {
            keepers.insert(child.id() as i32, id);
        }
        Err(error) => report::failure(&id, &StartFailure::from(format!("cannot start a keeper: {}", error))),
    }
}
