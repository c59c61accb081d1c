//! The first process of a microVM: makes its root out of the machine's disks and goes on as the agent, to which the
//! machine's serial line brings the connections that in a container come from a socket.

mod devices;
mod limits;
mod line;
mod modules;
mod network;

pub use limits::LimitGroup;

use crate::agent;
use crate::keeper::skeleton::take_over;
use crate::libc;
use crate::syscalls::{c_string, check, failed, mount, Errno};
use std::fs::create_dir_all;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// The sandbox's own disk, and the host's programs.
const DISKS: [&str; 2] = ["/dev/vda", "/dev/vdb"];
const ROOT: &str = "/root";
const SHOWN: &str = "/shown";
/// A file on the second disk: the folders that the sandbox sees at the same path, one a line.
const SHOWN_LIST: &str = "/shown/.shown";
const LINE: &str = "/dev/vport0p1";
/// Set by the host on the kernel's command line where the machine has no such line: `vsock`.
const LINE_VARIABLE: &str = "WARREN_LINE";

/// Does not return: what the first process leaves, the kernel ends.
pub fn main() -> i32 {
    match prepare() {
        Ok(prepared) => {
            agent::serve_line(prepared.connections, prepared.limits);
        }
        Err(error) => eprintln!("warren-guest: {}", error),
    }
    unsafe {
        libc::sync();
        libc::reboot(libc::RB_AUTOBOOT);
    }
    1
}

struct Prepared {
    connections: std::sync::mpsc::Receiver<std::os::unix::net::UnixStream>,
    limits: Option<LimitGroup>,
}

fn prepare() -> Result<Prepared, String> {
    for (kind, target) in [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys")] {
        place(kind, target, kind, 0, "")?;
    }
    modules::load()?;
    for device in DISKS {
        wait_for(device)?;
    }
    let flags = libc::MS_NODEV | libc::MS_NOATIME;
    place(DISKS[0], ROOT, "ext4", flags, "noinit_itable,errors=remount-ro")?;
    if Path::new(ROOT).join(".owners").exists() {
        let _ = std::fs::remove_dir(Path::new(ROOT).join("lost+found"));
        take_over(Path::new(ROOT), Some(Path::new(ROOT)), 0)?;
    }
    place(DISKS[1], SHOWN, "ext4", libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOSUID, "")?;
    let list = std::fs::read_to_string(SHOWN_LIST).map_err(|error| format!("cannot read {}: {}", SHOWN_LIST, error))?;
    for path in list.lines() {
        show(&format!("{}{}", SHOWN, path), &format!("{}{}", ROOT, path))?;
    }
    // A machine has an id; each copy gets its own.
    let id = format!("{}/etc/machine-id", ROOT);
    std::fs::write(&id, "").map_err(|error| format!("cannot make {}: {}", id, error))?;
    show("/init", &format!("{}/.warren/guest", ROOT))?;
    let limits = LimitGroup::join().map_err(|error| eprintln!("warren-guest: no limits: {}", error)).ok();
    devices::make(ROOT)?;
    network::configure()?;
    let connections = match std::env::var(LINE_VARIABLE).as_deref() {
        Ok("vsock") => line::carry_on(line::listen()?)?,
        _ => {
            wait_for(LINE)?;
            line::carry_on(line::open(LINE)?)?
        }
    };
    enter(ROOT).map_err(|errno| failed("enter the root", errno))?;
    let name = b"sandbox";
    unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    for (name, _) in std::env::vars_os() {
        std::env::remove_var(name);
    }
    std::env::set_var("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    Ok(Prepared { connections, limits })
}

/// Mounts, making the folder first where it can be made.
fn place(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> Result<(), String> {
    let _ = create_dir_all(target);
    mount(source, target, kind, flags, data)
        .map_err(|errno| failed(&format!("mount {} ({}) at {}", source, kind, target), errno))
}

fn show(source: &str, target: &str) -> Result<(), String> {
    let flags = libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOSUID;
    mount(source, target, "", libc::MS_BIND, "")
        .and_then(|()| mount("none", target, "", flags, ""))
        .map_err(|errno| failed(&format!("show {} at {}", source, target), errno))
}

fn wait_for(device: &str) -> Result<(), String> {
    for _ in 0..10_000 {
        if Path::new(device).exists() {
            return Ok(());
        }
        sleep(Duration::from_millis(1));
    }
    Err(format!("{} does not appear: the kernel lacks a driver, or the machine a device", device))
}

fn enter(root: &str) -> Result<(), Errno> {
    let root = c_string(root.as_bytes())?;
    unsafe {
        check(libc::chdir(root.as_ptr()))?;
        mount(".", "/", "", libc::MS_MOVE, "")?;
        check(libc::chroot(b".\0".as_ptr().cast()))?;
        check(libc::chdir(b"/\0".as_ptr().cast())).map(drop)
    }
}
