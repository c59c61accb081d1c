//! The few functions of the C library that the probe needs, declared by hand. Linux with glibc, 64 bits.

#![allow(non_camel_case_types)]

use std::ffi::CString;
use std::io::Error;
pub use std::os::raw::{c_char, c_int, c_long, c_ulong, c_void};

pub type Errno = i32;

pub const EPERM: Errno = 1;
pub const EACCES: Errno = 13;
pub const EINVAL: Errno = 22;
pub const ENOSYS: Errno = 38;

pub const SIGKILL: c_int = 9;
pub const SIGCHLD: c_long = 17;
pub const AT_FDCWD: c_long = -100;
pub const PR_SET_PDEATHSIG: c_int = 1;
pub const PR_CAPBSET_READ: c_int = 23;

#[repr(C)]
pub struct rlimit {
    pub current: u64,
    pub most: u64,
}

#[repr(C)]
pub struct sockaddr_un {
    pub family: u16,
    pub path: [u8; 108],
}

extern "C" {
    pub fn syscall(number: c_long, ...) -> c_long;
    pub fn fork() -> c_int;
    pub fn _exit(status: c_int) -> !;
    pub fn pause() -> c_int;
    pub fn abort() -> !;
    pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    pub fn kill(pid: c_int, signal: c_int) -> c_int;
    pub fn prctl(option: c_int, ...) -> c_int;
    pub fn setuid(uid: u32) -> c_int;
    pub fn setgid(gid: u32) -> c_int;
    pub fn getuid() -> u32;
    pub fn geteuid() -> u32;
    pub fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_char,
    ) -> c_int;
    pub fn umount2(target: *const c_char, flags: c_int) -> c_int;
    pub fn mknod(path: *const c_char, mode: u32, device: u64) -> c_int;
    pub fn setxattr(path: *const c_char, name: *const c_char, value: *const c_void, size: usize, flags: c_int)
        -> c_int;
    pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    pub fn connect(fd: c_int, address: *const sockaddr_un, length: u32) -> c_int;
    pub fn bind(fd: c_int, address: *const sockaddr_un, length: u32) -> c_int;
    pub fn listen(fd: c_int, backlog: c_int) -> c_int;
    pub fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    pub fn mlockall(flags: c_int) -> c_int;
    pub fn shmget(key: c_int, size: usize, flags: c_int) -> c_int;
    pub fn shmctl(id: c_int, command: c_int, buffer: *mut c_void) -> c_int;
    pub fn setrlimit(resource: c_int, limit: *const rlimit) -> c_int;
}

pub fn errno() -> Errno {
    Error::last_os_error().raw_os_error().unwrap_or(EINVAL)
}

pub fn errno_of(error: &Error) -> Errno {
    error.raw_os_error().unwrap_or(EINVAL)
}

pub fn check(result: c_int) -> Result<i64, Errno> {
    if result < 0 {
        Err(errno())
    } else {
        Ok(result as i64)
    }
}

pub fn call(number: c_long, arguments: [c_long; 6]) -> Result<i64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    let result = unsafe { syscall(number, a, b, c, d, e, f) };
    if result < 0 {
        Err(errno())
    } else {
        Ok(result)
    }
}

/// A number of the system call on x86-64, and the one on 64-bit ARM.
pub const fn by_machine(x64: c_long, arm64: c_long) -> c_long {
    if cfg!(target_arch = "x86_64") {
        x64
    } else {
        arm64
    }
}

pub fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// How a child that does `work` ended, as waitpid tells it.
pub fn in_child(work: impl FnOnce() -> c_int) -> Result<c_int, Errno> {
    let child = unsafe { fork() };
    if child == 0 {
        let code = work();
        unsafe { _exit(code) };
    }
    check(child)?;
    let mut status = 0;
    check(unsafe { waitpid(child, &mut status, 0) })?;
    Ok(status)
}

/// Whether this process is in the pid namespace called `host`, such as `pid:[4026531836]`. Attempts that would harm a
/// host on which nothing stops them ask first, and when it cannot be known the answer is yes.
pub fn is_on_host(host: &str) -> bool {
    std::fs::read_link("/proc/self/ns/pid").map_or(true, |own| own.to_string_lossy() == host)
}
