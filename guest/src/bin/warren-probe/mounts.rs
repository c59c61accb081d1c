//! Every attempt first takes a mount namespace of its own where it can, so that nothing is changed for anybody else. Where
//! it cannot, it goes on only if it is not on the host.

use crate::answer::{Answer, Attempt};
use crate::system::{self, c_string, check, is_on_host, Errno, EPERM};
use std::ptr::null;

const MS_REMOUNT: u64 = 32;
const MS_BIND: u64 = 4096;
const MS_REC: u64 = 0x4000;
const MS_PRIVATE: u64 = 1 << 18;
const MNT_DETACH: i32 = 2;
const CLONE_NEWNS: i64 = 0x20000;
const CLONE_NEWUSER: i64 = 0x1000_0000;

pub fn mount(kind: &str, place: &str, host: &str) -> Attempt {
    take_own_namespace(host)?;
    let _ = std::fs::create_dir_all(place);
    let data = match kind {
        "overlay" => "lowerdir=/usr:/etc",
        "cgroup" => "memory",
        _ => "",
    };
    let mounted = mount_there(kind, place, kind, 0, data);
    if mounted.is_ok() {
        unsafe { system::umount2(c_string(place).as_ptr(), MNT_DETACH) };
    }
    Ok(Answer::of(mounted))
}

/// The way that user namespaces open: root in a new one may mount.
pub fn mount_as_new_user(place: &str) -> Attempt {
    let _ = std::fs::create_dir_all(place);
    system::call(system::by_machine(272, 97), [CLONE_NEWUSER | CLONE_NEWNS, 0, 0, 0, 0, 0])?;
    Ok(Answer::of(mount_there("tmpfs", place, "tmpfs", 0, "")))
}

/// Puts a folder over the masked part of /proc.
pub fn bind(place: &str, host: &str) -> Attempt {
    take_own_namespace(host)?;
    let _ = std::fs::create_dir_all(place);
    Ok(Answer::of(mount_there(place, "/proc/sys", "", MS_BIND, "")))
}

/// Makes what is shown read-only writable.
pub fn remount(path: &str, host: &str) -> Attempt {
    take_own_namespace(host)?;
    let direct = mount_there("", path, "", MS_REMOUNT | MS_BIND, "");
    if direct.is_ok() {
        return Ok(Answer::open("made writable"));
    }
    let bound = mount_there(path, path, "", MS_BIND, "");
    Ok(Answer::of(bound.and_then(|_| mount_there("", path, "", MS_REMOUNT | MS_BIND, ""))))
}

pub fn unmount(path: &str, host: &str) -> Attempt {
    take_own_namespace(host)?;
    Ok(Answer::reached(check(unsafe { system::umount2(c_string(path).as_ptr(), MNT_DETACH) })))
}

fn take_own_namespace(host: &str) -> Result<(), Errno> {
    let own = system::call(system::by_machine(272, 97), [CLONE_NEWNS, 0, 0, 0, 0, 0]).is_ok()
        && mount_there("", "/", "", MS_REC | MS_PRIVATE, "").is_ok();
    if own || !is_on_host(host) {
        Ok(())
    } else {
        Err(EPERM)
    }
}

fn mount_there(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> Result<i64, Errno> {
    let [source, target, data] = [source, target, data].map(c_string);
    let kind_text = c_string(kind);
    let kind = if kind.is_empty() { null() } else { kind_text.as_ptr() };
    check(unsafe { system::mount(source.as_ptr(), target.as_ptr(), kind, flags, data.as_ptr()) })
}
