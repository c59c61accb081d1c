use super::process::set_window_size;
use super::users::{own_uid, User};
use crate::failure::{Failure, Outcome};
use crate::libc;
use crate::syscalls::{c_string, check, open, owned, Errno};
use std::os::unix::io::{AsRawFd, OwnedFd};

pub struct Pty {
    pub master: OwnedFd,
    pub slave: OwnedFd,
}

/// A new terminal of the given size that belongs to `user`.
pub fn open_pty(user: &User, columns: u64, rows: u64) -> Outcome<Pty> {
    let pty = open_pair().map_err(|errno| Failure::from_errno(errno, "cannot open a terminal"))?;
    set_window_size(&pty.master, columns, rows)?;
    if own_uid() == 0 {
        unsafe {
            libc::fchown(pty.slave.as_raw_fd(), user.uid, user.gid);
            libc::fchmod(pty.slave.as_raw_fd(), 0o620);
        }
    }
    Ok(pty)
}

fn open_pair() -> Result<Pty, Errno> {
    let flags = libc::O_RDWR | libc::O_NOCTTY;
    let master = open(&c_string(b"/dev/ptmx")?, flags, 0)?;
    let unlocked: libc::c_int = 0;
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &unlocked) })?;
    let peer = owned(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags | libc::O_CLOEXEC) });
    let slave = match peer {
        Ok(slave) => slave,
        Err(_) => {
            let mut number: libc::c_uint = 0;
            check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTN, &mut number) })?;
            open(&c_string(format!("/dev/pts/{}", number).as_bytes())?, flags, 0)?
        }
    };
    Ok(Pty { master, slave })
}
