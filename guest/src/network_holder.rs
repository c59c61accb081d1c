//! The holder of an ordinary user's networks: a user namespace in which that user is root, and so may make network
//! namespaces, with a mount namespace where they have names. All of it lives as long as this process.

use crate::descendants::stat_field;
use crate::libc;
use crate::syscalls::{check, close_from, errno, failed, mount, Errno};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::AsRawFd;
use std::time::Duration;

const RECORD: &str = "holder";
const NAMES: &str = "/run/netns";
const START_TIME: usize = 22;

/// `hold-network FOLDER`: when all is made, writes `PID START-TIME` into the file `holder` there, and stays. Of several that
/// are started for one folder only the first stays.
pub fn main(arguments: &[String]) -> i32 {
    let folder = match arguments {
        [folder] => folder,
        _ => {
            eprintln!("usage: warren-guest hold-network FOLDER");
            return 2;
        }
    };
    match hold(folder) {
        // Held open, for it is locked.
        Ok(_record) => loop {
            std::thread::sleep(Duration::from_secs(3600));
        },
        Err(error) => {
            eprintln!("{}", error);
            1
        }
    }
}

fn hold(folder: &str) -> Result<File, String> {
    close_from(3);
    let mut record = open_record(folder)?;
    make_namespaces().map_err(|errno| failed("make a user namespace with a network", errno))?;
    mount("none", "/", "", libc::MS_REC | libc::MS_SLAVE, "").map_err(|errno| failed("keep mounts apart", errno))?;
    // A mount of its own, or ip would make it one over what the platform has opened.
    mount_empty("/run")?;
    std::fs::create_dir(NAMES).map_err(|error| format!("cannot make {}: {}", NAMES, error))?;
    mount_empty(NAMES)?;
    let _ = std::env::set_current_dir("/");

    let pid = std::process::id();
    let line = format!("{} {}\n", pid, stat_field(pid as i32, START_TIME).unwrap_or(0));
    record.write_all(line.as_bytes()).map_err(|error| format!("cannot write {}: {}", RECORD, error))?;
    Ok(record)
}

fn open_record(folder: &str) -> Result<File, String> {
    let path = format!("{}/{}", folder, RECORD);
    let opened = OpenOptions::new().write(true).create(true).mode(0o600).open(&path);
    let record = opened.map_err(|error| format!("cannot open {}: {}", path, error))?;
    check(unsafe { libc::flock(record.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })
        .map_err(|errno| failed(&format!("lock {}", path), errno))?;
    record.set_len(0).map_err(|error| format!("cannot empty {}: {}", path, error))?;
    Ok(record)
}

fn make_namespaces() -> Result<(), Errno> {
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let kinds = libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWNET;
    if unsafe { libc::unshare(kinds) } < 0 {
        return Err(errno());
    }
    let maps = [
        ("setgroups", "deny".to_string()),
        ("uid_map", format!("0 {} 1", uid)),
        ("gid_map", format!("0 {} 1", gid)),
    ];
    for (name, text) in maps {
        std::fs::write(format!("/proc/self/{}", name), text).map_err(|error| crate::syscalls::errno_of(&error))?;
    }
    Ok(())
}

fn mount_empty(path: &str) -> Result<(), String> {
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount("tmpfs", path, "tmpfs", flags, "mode=0755").map_err(|errno| failed(&format!("mount over {}", path), errno))
}
