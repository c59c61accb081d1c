//! Volumes: disks that several sandboxes mount at once, each with its own range of users.

use super::loop_device::LoopDevice;
use crate::libc;
use crate::syscalls::{c_string, check, describe, errno, errno_of, open, open_at, owned, Errno};
use std::fs::{File, OpenOptions};
use std::io::Error;
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Users and groups of one sandbox.
const IDS: u32 = 65_536;

/// Mounts the image at `target` below the root, whose missing folders are made. On the disk users have the numbers that they
/// have inside, so every sandbox finds the same owners, though its users are others on the host. Answers the number of the
/// loop device. With `read_only` nobody can write through this mount, and nobody inside can take that off: the mount belongs
/// to the host.
pub fn mount_volume(image: &str, root: &str, target: &str, uid_base: u32, read_only: bool) -> Result<i32, String> {
    let failed = |what: &str| format!("cannot mount a volume at /{}: {}", target, what);
    let (mounted, number) = mounted_image(image, uid_base, read_only).map_err(|(what, errno)| {
        let hint = if errno == libc::EINVAL { "; it needs Linux 5.12 or later" } else { "" };
        failed(&format!("{}: {}{}", what, describe(errno), hint))
    })?;
    let place = place(root, target, uid_base)
        .map_err(|errno| failed(&format!("something else than a folder is in the way: {}", describe(errno))))?;
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH as i64 | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let empty = [0u8; 1];
    let moved = unsafe {
        libc::syscall(
            libc::SYS_MOVE_MOUNT,
            mounted.as_raw_fd() as i64,
            empty.as_ptr(),
            place.as_raw_fd() as i64,
            empty.as_ptr(),
            flags,
        )
    };
    check(moved as i32).map(|_| number).map_err(|errno| failed(&format!("move it there: {}", describe(errno))))
}

/// The image as a mount that is nowhere yet.
fn mounted_image(image: &str, uid_base: u32, read_only: bool) -> Result<(OwnedFd, i32), (&'static str, Errno)> {
    let file = OpenOptions::new().read(true).write(true).open(image);
    let file = file.map_err(|error| ("open its image", errno_of(&error)))?;
    // Let go with the file, when the device is held by the mount.
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }).map_err(|errno| ("lock its image", errno))?;
    let device = LoopDevice::attach_shared(image).map_err(|errno| ("attach a loop device", errno))?;
    let mount = detached_mount(device.path()).map_err(|errno| ("mount its file system", errno))?;
    let users = users_from(uid_base).map_err(|errno| ("map its users", errno))?;
    let only = if read_only { libc::MOUNT_ATTR_RDONLY } else { 0 };
    let attributes = [libc::MOUNT_ATTR_IDMAP | only, 0, 0, users.as_raw_fd() as u64];
    let empty = [0u8; 1];
    let mapped = unsafe {
        libc::syscall(
            libc::SYS_MOUNT_SETATTR,
            mount.as_raw_fd() as i64,
            empty.as_ptr(),
            libc::AT_EMPTY_PATH as i64,
            attributes.as_ptr(),
            std::mem::size_of_val(&attributes) as i64,
        )
    };
    check(mapped as i32).map_err(|errno| ("map its users", errno))?;
    Ok((mount, device.number()))
}

fn detached_mount(device: &str) -> Result<OwnedFd, Errno> {
    let kind = c_string(b"ext4")?;
    let [key, value] = [c_string(b"source")?, c_string(device.as_bytes())?];
    let context = owned(unsafe { libc::syscall(libc::SYS_FSOPEN, kind.as_ptr(), 1i64) } as i32)?;
    let fd = context.as_raw_fd() as i64;
    check(unsafe { libc::syscall(libc::SYS_FSCONFIG, fd, libc::FSCONFIG_SET_STRING, key.as_ptr(), value.as_ptr(), 0i64) } as i32)?;
    check(unsafe { libc::syscall(libc::SYS_FSCONFIG, fd, libc::FSCONFIG_CMD_CREATE, 0i64, 0i64, 0i64) } as i32)?;
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOATIME;
    owned(unsafe { libc::syscall(libc::SYS_FSMOUNT, fd, 1i64, attributes) } as i32)
}

/// A user namespace in which number 0 is `uid_base` here, and so on.
fn users_from(uid_base: u32) -> Result<OwnedFd, Errno> {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    unsafe {
        command.pre_exec(|| match libc::unshare(libc::CLONE_NEWUSER) {
            0 => Ok(()),
            _ => Err(Error::from_raw_os_error(errno())),
        })
    };
    // It waits for its input to end, and the namespace is there as long.
    let mut child = command.spawn().map_err(|error| errno_of(&error))?;
    let mapped = map_users(child.id(), uid_base);
    drop(child.stdin.take());
    let _ = child.wait();
    mapped
}

fn map_users(pid: u32, uid_base: u32) -> Result<OwnedFd, Errno> {
    let line = format!("0 {} {}", uid_base, IDS);
    for name in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{}", pid, name), &line).map_err(|error| errno_of(&error))?;
    }
    File::open(format!("/proc/{}/ns/user", pid)).map(OwnedFd::from).map_err(|error| errno_of(&error))
}

/// The folder at `target`. What is missing is made; no link is followed, for the disk may come from who was in a sandbox.
fn place(root: &str, target: &str, uid_base: u32) -> Result<OwnedFd, Errno> {
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let mut place = open(&c_string(root.as_bytes())?, libc::O_PATH | libc::O_DIRECTORY, 0)?;
    for name in target.split('/').filter(|name| !name.is_empty()) {
        let name = c_string(name.as_bytes())?;
        let at = place.as_raw_fd();
        place = match open_at(at, &name, flags) {
            Err(libc::ENOENT) => {
                // Users inside have to pass, whatever mask we run with.
                let mask = unsafe { libc::umask(0) };
                let made = check(unsafe { libc::mkdirat(at, name.as_ptr(), 0o755) });
                unsafe { libc::umask(mask) };
                made?;
                check(unsafe { libc::fchownat(at, name.as_ptr(), uid_base, uid_base, libc::AT_SYMLINK_NOFOLLOW) })?;
                open_at(at, &name, flags)?
            }
            opened => opened?,
        };
    }
    Ok(place)
}
