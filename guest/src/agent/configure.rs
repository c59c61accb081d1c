use super::Agent;
use crate::failure::{Failure, Outcome};
use crate::frames::Fields;
use crate::libc;
use crate::syscalls::{check, errno_of, mount, owned, write, Errno};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::io::AsRawFd;
use std::path::Path;

const KEEP_ENV: u8 = 5;
const MACHINE_ID: u8 = 6;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const OUR_BOOT_ID: &str = "/dev/.boot-id";

/// Sets what a sandbox gets when it is claimed, wakes up as a copy or is made from a saved one: its default environment,
/// fresh randomness, its name, the time, its machine id, and in a microVM its limits.
pub fn configure(agent: &Agent, fields: &Fields) -> Outcome<Vec<u8>> {
    if !fields.flag(KEEP_ENV) {
        let env: Vec<Vec<u8>> = fields.all(1).map(<[u8]>::to_vec).collect();
        if let Ok(mut current) = agent.default_env.lock() {
            *current = env;
        }
    }
    if let Some(seed) = fields.get(3) {
        renew_randomness(seed);
    }
    if let Some(name) = fields.get(4) {
        unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    }
    if let Some(microseconds) = fields.number(10)? {
        set_clock(microseconds).map_err(|errno| Failure::from_errno(errno, "cannot set the clock"))?;
    }
    if let Some(id) = fields.get(MACHINE_ID) {
        write_machine_id(id);
        if agent.limits.is_some() {
            renew_boot_id();
        }
    }
    for (tag, file) in [(12, "pids.max"), (13, "memory.max")] {
        if let Some(value) = fields.number(tag)? {
            let limits = agent.limits.as_ref().ok_or_else(|| Failure::new("unsupported", "the host keeps the limits"))?;
            let set = limits.set(file, value);
            set.map_err(|error| Failure::from_errno(errno_of(&error), format!("cannot set {}", file)))?;
        }
    }
    if let Some(most) = fields.number(14)? {
        limit(libc::RLIMIT_NOFILE, most).map_err(|errno| Failure::from_errno(errno, "cannot limit open files"))?;
    }
    Ok(Vec::new())
}

/// For us and every program that we start from now on.
pub fn limit(resource: libc::c_int, most: u64) -> Result<(), Errno> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    check(unsafe { libc::setrlimit(resource, &limit) }).map(drop)
}

/// A copy of a sandbox is another machine than what it was copied from. One that has no such id needs none.
fn write_machine_id(id: &[u8]) {
    let path = Path::new("/etc/machine-id");
    if path.symlink_metadata().map_or(false, |metadata| metadata.is_file()) {
        let _ = std::fs::write(path, [id, b"\n"].concat());
    }
}

/// In a microVM the kernel has made its own when it was first asked, and copies have the same. A file that hides it differs.
fn renew_boot_id() {
    let mut bytes = [0; 16];
    if File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).is_err() {
        return;
    }
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{:02x}", byte)).collect();
    let id = format!("{}-{}-{}-{}-{}\n", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    let is_hidden = Path::new(OUR_BOOT_ID).exists();
    if std::fs::write(OUR_BOOT_ID, id).is_ok() && !is_hidden {
        let _ = mount(OUR_BOOT_ID, BOOT_ID, "", libc::MS_BIND, "");
        let flags = libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY;
        let _ = mount("none", BOOT_ID, "", flags, "");
    }
}

/// Where the kernel is ours, it forgets what it shares with other copies of it at once; else the seed is only stirred in.
fn renew_randomness(seed: &[u8]) {
    let device = match OpenOptions::new().write(true).open("/dev/urandom") {
        Ok(device) => device,
        Err(_) => return,
    };
    let length = seed.len() as i32;
    // struct rand_pool_info: how much of it nobody can guess (bits), how long it is (bytes), and it.
    let pool: Vec<u8> = [&(length * 8).to_ne_bytes()[..], &length.to_ne_bytes(), seed].concat();
    let credited = unsafe { libc::ioctl(device.as_raw_fd(), libc::RNDADDENTROPY, pool.as_ptr()) } == 0;
    if credited {
        unsafe { libc::ioctl(device.as_raw_fd(), libc::RNDRESEEDCRNG) };
    } else {
        let _ = write(device.as_raw_fd(), seed);
    }
}

fn set_clock(microseconds: u64) -> Result<(), Errno> {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let time = libc::timespec { tv_sec: seconds as i64, tv_nsec: rest as i64 * 1000 };
    check(unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &time) }).map(drop)
}

/// A new network namespace starts with its loopback down. Best effort: it may be up already, or not ours.
pub fn raise_loopback() {
    let socket = match owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }) {
        Ok(socket) => socket,
        Err(_) => return,
    };
    let mut request = libc::ifreq_flags::named(b"lo");
    unsafe {
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request) == 0 && request.flags & libc::IFF_UP == 0 {
            request.flags |= libc::IFF_UP;
            libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request);
        }
    }
}
