use super::{failed, place};
use crate::libc;
use crate::syscalls::{c_string, check};
use std::os::unix::fs::symlink;

/// Name, major and minor number of what every program may use.
const NODES: [(&str, u64, u64); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// The same /proc, /sys and /dev that a container gets. Other users' processes are hidden: the kernel's own are among them.
pub fn make(root: &str) -> Result<(), String> {
    let at = |path: &str| format!("{}{}", root, path);
    let strict = libc::MS_NOSUID | libc::MS_NOEXEC;
    place("proc", &at("/proc"), "proc", strict | libc::MS_NODEV, "hidepid=2")?;
    place("sysfs", &at("/sys"), "sysfs", strict | libc::MS_NODEV | libc::MS_RDONLY, "")?;
    place("tmpfs", &at("/dev"), "tmpfs", strict, "mode=755,size=64k")?;
    for (name, major, minor) in NODES {
        let path = c_string(at(&format!("/dev/{}", name)).as_bytes()).unwrap_or_default();
        check(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, major << 8 | minor) })
            .map_err(|errno| failed(&format!("make /dev/{}", name), errno))?;
    }
    // Where a program of root's can talk to whoever attaches to the console.
    let console = c_string(at("/dev/console").as_bytes()).unwrap_or_default();
    check(unsafe { libc::mknod(console.as_ptr(), libc::S_IFCHR | 0o600, 5 << 8 | 1) })
        .map_err(|errno| failed("make /dev/console", errno))?;
    for (target, name) in [
        ("/proc/self/fd", "fd"),
        ("/proc/self/fd/0", "stdin"),
        ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"),
        ("pts/ptmx", "ptmx"),
    ] {
        symlink(target, at(&format!("/dev/{}", name))).map_err(|error| format!("cannot make /dev/{}: {}", name, error))?;
    }
    place("devpts", &at("/dev/pts"), "devpts", strict, "newinstance,ptmxmode=0666,mode=0620,gid=5")?;
    place("shm", &at("/dev/shm"), "tmpfs", strict | libc::MS_NODEV, "mode=1777,size=64m")?;
    // Not every kernel has message queues.
    let _ = place("mqueue", &at("/dev/mqueue"), "mqueue", strict | libc::MS_NODEV, "");
    Ok(())
}
