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

/// Saves the machine as `state`, `disk` and, where it has a file of its own, `memory`. It runs on afterwards if it ran before.
pub fn save(qmp: &mut Qmp, saved: &Saved, orders: &Orders) -> Result<(), String> {
    let done = save_in_step(qmp, saved, orders);
    orders.give(Order::Release);
    done
}

fn save_in_step(qmp: &mut Qmp, saved: &Saved, orders: &Orders) -> Result<(), String> {
    let was_running = qmp.status()? == "running";
    if was_running {
        // Nothing may be half under way to a guest that will wake up at the end of another line.
        let (tell, told) = channel();
        orders.give(Order::Sync(tell));
        let synced = told.recv_timeout(SYNC).unwrap_or(false);
        if !synced {
            return Err("the guest does not answer".to_string());
        }
    }
    qmp.pause()?;
    let done = write_all(qmp, saved);
    if was_running {
        qmp.resume()?;
    }
    done
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
