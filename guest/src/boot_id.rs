//! Gives a container a boot id of its own: the kernel's is that of the host. Run by the runtime when the container's file systems are
//! mounted and the host's are still there, for below /proc it shows no file of ours by itself.

use crate::libc;
use crate::syscalls::{describe, mount};

/// `boot-id ROOT`.
pub fn main(arguments: &[String]) -> i32 {
    let root = match arguments {
        [root] => root,
        _ => {
            eprintln!("usage: warren-guest boot-id ROOT");
            return 2;
        }
    };
    match show(root) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("boot-id: {}", error);
            1
        }
    }
}

fn show(root: &str) -> Result<(), String> {
    let id = std::fs::read("/proc/sys/kernel/random/uuid").map_err(|error| format!("no uuid: {}", error))?;
    let file = format!("{}/dev/.boot_id", root);
    std::fs::write(&file, id).map_err(|error| format!("cannot write {}: {}", file, error))?;
    let place = format!("{}/proc/sys/kernel/random/boot_id", root);
    let own = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(&file, &place, "", libc::MS_BIND, "")
        .and_then(|()| mount("none", &place, "", libc::MS_BIND | libc::MS_REMOUNT | own, ""))
        .map_err(|errno| format!("cannot show it at {}: {}", place, describe(errno)))?;
    std::fs::remove_file(&file).map_err(|error| format!("cannot remove {}: {}", file, error))
}
