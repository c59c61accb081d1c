use super::qmp::Qmp;
use super::serve::{Order, Orders};
use crate::libc;
use crate::sparse_copy::copy_sparse_file;
use crate::syscalls::{c_string, describe, owned, Errno};
use std::fs::File;
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::sync::mpsc::channel;
use std::time::Duration;

const SYNC: Duration = Duration::from_secs(10);

/// What a saved machine consists of, and the folder it goes to.
pub struct Saved {
    pub folder: OwnedFd,
    pub memory: File,
    /// Whether the memory is a file of its own, which is copied; else it is part of the state.
    pub memory_is_shared: bool,
    pub disk: File,
}

/// Stops the machine between two frames, so that it can be saved as it stands, and nothing is sent until `resume`.
pub fn pause(qmp: &mut Qmp, orders: &Orders) -> Result<(), String> {
    if qmp.status()? != "running" {
        return Ok(());
    }
    let paused = sync(orders).and_then(|()| qmp.pause());
    if paused.is_err() {
        orders.give(Order::Release);
    }
    paused
}

/// Idempotent.
pub fn resume(qmp: &mut Qmp, orders: &Orders) -> Result<(), String> {
    qmp.resume()?;
    orders.give(Order::Release);
    Ok(())
}

/// Saves the machine as `state`, `disk` and, where it has a file of its own, `memory`. It runs on afterwards if it ran before.
pub fn save(qmp: &mut Qmp, saved: &Saved, orders: &Orders) -> Result<(), String> {
    let was_running = qmp.status()? == "running";
    pause(qmp, orders)?;
    let done = write_all(qmp, saved);
    if was_running {
        resume(qmp, orders)?;
    }
    done
}

/// Nothing may be half under way to a guest that will wake up at the end of another line.
fn sync(orders: &Orders) -> Result<(), String> {
    let (tell, told) = channel();
    orders.give(Order::Sync(tell));
    match told.recv_timeout(SYNC) {
        Ok(true) => Ok(()),
        _ => Err("the guest does not answer".to_string()),
    }
}

fn write_all(qmp: &mut Qmp, saved: &Saved) -> Result<(), String> {
    let state = saved.create("state")?;
    qmp.save(state.as_raw_fd(), saved.memory_is_shared)?;
    copy(&saved.disk, &saved.create("disk")?, "disk")?;
    if saved.memory_is_shared {
        copy(&saved.memory, &saved.create("memory")?, "memory")?;
    }
    Ok(())
}

fn copy(from: &File, to: &File, what: &str) -> Result<(), String> {
    copy_sparse_file(from, to).map_err(|errno| format!("the {} could not be saved: {}", what, describe(errno)))
}

impl Saved {
    /// By descriptor: the path to the folder is closed to this user.
    fn create(&self, name: &str) -> Result<File, String> {
        let create = || -> Result<File, Errno> {
            let path = c_string(name.as_bytes())?;
            let flags = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC | libc::O_NOFOLLOW;
            owned(unsafe { libc::openat(self.folder.as_raw_fd(), path.as_ptr(), flags, 0o600) }).map(File::from)
        };
        create().map_err(|errno| format!("cannot make {}: {}", name, describe(errno)))
    }
}
