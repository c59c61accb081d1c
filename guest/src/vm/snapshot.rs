use super::qmp::Qmp;
use super::ram;
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
    /// Of the process that runs the machine.
    pub pid: i32,
    /// What its memory is mapped from.
    pub memory: File,
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

/// Saves the machine as `state`, `ram` and, where its disk is wanted, `disk`. It stands still afterwards, until `resume`.
pub fn save(qmp: &mut Qmp, saved: &Saved, orders: &Orders, with_disk: bool) -> Result<(), String> {
    pause(qmp, orders)?;
    qmp.save(&saved.create("state")?)?;
    ram::save(saved.pid, &saved.memory, &saved.create("ram")?)?;
    if with_disk {
        let copied = copy_sparse_file(&saved.disk, &saved.create("disk")?);
        copied.map_err(|errno| format!("the disk could not be saved: {}", describe(errno)))?;
    }
    Ok(())
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

impl Saved {
    /// By descriptor: the path to the folder is closed to this user.
    fn create(&self, name: &str) -> Result<File, String> {
        let create = || -> Result<File, Errno> {
            let path = c_string(name.as_bytes())?;
            let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC | libc::O_CLOEXEC | libc::O_NOFOLLOW;
            owned(unsafe { libc::openat(self.folder.as_raw_fd(), path.as_ptr(), flags, 0o600) }).map(File::from)
        };
        create().map_err(|errno| format!("cannot make {}: {}", name, describe(errno)))
    }
}
