use super::monitor::Monitor;
use super::serve::{Order, Orders};
use crate::libc;
use crate::sparse_copy::copy_sparse_file;
use crate::syscalls::{c_string, describe, owned, Errno};
use std::fs::File;
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::sync::mpsc::channel;
use std::time::Duration;

const SYNC: Duration = Duration::from_secs(10);

/// The folder that a saved machine goes to, and the disk that is saved with it.
pub struct Saved {
    pub folder: OwnedFd,
    pub disk: File,
}

/// Stops the machine between two frames, so that it can be saved as it stands, and nothing is sent until `resume`.
pub fn pause(monitor: &mut dyn Monitor, orders: &Orders) -> Result<(), String> {
    if monitor.status()? != "running" {
        return Ok(());
    }
    let paused = sync(monitor, orders).and_then(|()| monitor.pause());
    if paused.is_err() {
        orders.give(Order::Release { relink: false });
    }
    paused
}

/// Idempotent. `relink`: the connection to the agent inside is over.
pub fn resume(monitor: &mut dyn Monitor, orders: &Orders, relink: bool) -> Result<(), String> {
    monitor.resume()?;
    orders.give(Order::Release { relink });
    Ok(())
}

/// Saves the machine, which is paused, as `state`, `ram` and, where its disk is wanted, `disk`.
pub fn save(monitor: &mut dyn Monitor, saved: &Saved, with_disk: bool) -> Result<(), String> {
    monitor.save(saved)?;
    if with_disk {
        let copied = copy_sparse_file(&saved.disk, &saved.create("disk")?);
        copied.map_err(|errno| format!("the disk could not be saved: {}", describe(errno)))?;
    }
    Ok(())
}

/// Nothing may be half under way to a guest that will wake up at the end of another line; nor from it, where this line ends.
fn sync(monitor: &dyn Monitor, orders: &Orders) -> Result<(), String> {
    let (tell, told) = channel();
    orders.give(Order::Sync { tell, hold: monitor.saving_cuts_link() });
    match told.recv_timeout(SYNC) {
        Ok(true) => Ok(()),
        _ => Err("the guest does not answer".to_string()),
    }
}

impl Saved {
    pub fn create(&self, name: &str) -> Result<File, String> {
        self.file(name, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC)
    }

    /// For reading and writing.
    pub fn open(&self, name: &str) -> Result<File, String> {
        self.file(name, libc::O_RDWR)
    }

    /// By descriptor: the path to the folder is closed to this user.
    fn file(&self, name: &str, how: i32) -> Result<File, String> {
        let open = || -> Result<File, Errno> {
            let path = c_string(name.as_bytes())?;
            let flags = how | libc::O_CLOEXEC | libc::O_NOFOLLOW;
            owned(unsafe { libc::openat(self.folder.as_raw_fd(), path.as_ptr(), flags, 0o600) }).map(File::from)
        };
        open().map_err(|errno| format!("cannot open {}: {}", name, describe(errno)))
    }
}
