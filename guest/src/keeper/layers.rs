use crate::libc::{self, c_int, c_void, AT_FDCWD};
use crate::syscalls::{c_string, check, describe, failed, kill, mount, open, owned, pipe, Errno};
use std::fs::create_dir_all;
use std::os::unix::io::{AsRawFd, OwnedFd};

/// Where the layers are mounted for a moment, one folder each: the kernel takes some 4,000 bytes of their names.
const LAYERS: &str = "l";
/// Users and groups of one sandbox.
const IDS: u32 = 65_536;

/// Mounts at `root` the folders `layers`, the topmost first and none of them written to, with all changes going to the folder
/// `upper` of the file system at `disk`. The files of the layers belong to the owners inside; here they show those of the range
/// that begins with `uid_base`. The disk and the layers are seen by nobody but this mount afterwards.
pub fn lay_over(layers: &[String], disk: &str, root: &str, uid_base: u32) -> Result<(), String> {
    let owners = owners_from(uid_base).map_err(|errno| failed("make a user namespace", errno))?;
    let mut places = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let place = format!("{}/{}", LAYERS, number);
        create_dir_all(&place).map_err(|error| format!("cannot make {}: {}", place, error))?;
        show(layer, &place, &owners).map_err(|errno| {
            format!(
                "cannot show the layer {} with the owners of a sandbox: {}; this needs Linux 5.19 and a file system that can \
                 do it (ext4, xfs, btrfs)",
                layer,
                describe(errno)
            )
        })?;
        places.push(place);
    }
    let data = format!(
        "lowerdir={},upperdir={}/upper,workdir={}/work,index=off,metacopy=off,redirect_dir=off,xino=on",
        places.join(":"),
        disk,
        disk
    );
    let flags = libc::MS_NODEV | libc::MS_NOATIME;
    mount("overlay", root, "overlay", flags, &data).map_err(|errno| failed("lay the disk over its layers", errno))?;
    for place in places.iter().map(String::as_str).chain(std::iter::once(disk)) {
        let name = c_string(place.as_bytes()).unwrap_or_default();
        unsafe { libc::umount2(name.as_ptr(), libc::MNT_DETACH) };
    }
    Ok(())
}

fn show(layer: &str, place: &str, owners: &OwnedFd) -> Result<(), Errno> {
    let (layer, place, here) = (c_string(layer.as_bytes())?, c_string(place.as_bytes())?, c_string(b"")?);
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC;
    let tree = owned(unsafe { libc::syscall(libc::SYS_OPEN_TREE, AT_FDCWD, layer.as_ptr(), flags) } as c_int)?;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP | libc::MOUNT_ATTR_RDONLY,
        userns_fd: owners.as_raw_fd() as u64,
        ..libc::mount_attr::default()
    };
    let size = std::mem::size_of::<libc::mount_attr>();
    let (tree, empty) = (tree.as_raw_fd(), libc::AT_EMPTY_PATH);
    check(unsafe {
        libc::syscall(libc::SYS_MOUNT_SETATTR, tree, here.as_ptr(), empty, &attributes as *const _, size)
    } as c_int)?;
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
    check(unsafe { libc::syscall(libc::SYS_MOVE_MOUNT, tree, here.as_ptr(), AT_FDCWD, place.as_ptr(), flags) } as c_int)
        .map(drop)
}

/// A user namespace whose users begin with `uid_base`. It is held by the descriptor alone.
fn owners_from(uid_base: u32) -> Result<OwnedFd, Errno> {
    let (waiting, held) = pipe()?;
    let mut ends = [waiting.as_raw_fd(), held.as_raw_fd()];
    let mut stack = vec![0u8; 64 * 1024];
    let top = (stack.as_mut_ptr() as usize + stack.len()) & !15;
    let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
    let child =
        check(unsafe { libc::clone(wait_for_end, top as *mut c_void, flags, ends.as_mut_ptr() as *mut c_void) })?;
    let opened = map_users(child, uid_base);
    let _ = kill(child, libc::SIGKILL);
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    opened
}

fn map_users(child: i32, uid_base: u32) -> Result<OwnedFd, Errno> {
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{}", child, map), format!("0 {} {}", uid_base, IDS))
            .map_err(|error| crate::syscalls::errno_of(&error))?;
    }
    open(&c_string(format!("/proc/{}/ns/user", child).as_bytes())?, libc::O_RDONLY, 0)
}

/// Ends with its parent at the latest.
extern "C" fn wait_for_end(ends: *mut c_void) -> c_int {
    unsafe {
        let ends = ends as *const c_int;
        libc::close(*ends.add(1));
        libc::read(*ends, [0u8; 1].as_mut_ptr().cast(), 1);
        libc::_exit(0)
    }
}
