//! The part of the C library that the guest uses, declared by hand: the crate of the same name would have to be fetched,
//! and Debian's cargo cannot read today's registry index. Linux with glibc, 64 bits.

#![allow(non_camel_case_types)]

mod constants;

pub use constants::*;
pub use std::os::raw::{c_char, c_int, c_long, c_short, c_uint, c_ulong, c_void};

#[repr(C)]
pub struct pollfd {
    pub fd: c_int,
    pub events: c_short,
    pub revents: c_short,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct sigset_t {
    bits: [u64; 16],
}

/// As waitid fills it in.
#[repr(C)]
#[derive(Default)]
pub struct siginfo_t {
    pub si_signo: c_int,
    si_errno: c_int,
    si_code: c_int,
    padding: c_int,
    pub si_pid: c_int,
    rest: [c_int; 27],
}

#[repr(C)]
#[derive(Default)]
pub struct timeval {
    pub tv_sec: i64,
    pub tv_usec: i64,
}

#[repr(C)]
pub struct timespec {
    pub tv_sec: i64,
    pub tv_nsec: i64,
}

#[repr(C)]
#[derive(Default)]
pub struct mount_attr {
    pub attr_set: u64,
    pub attr_clr: u64,
    pub propagation: u64,
    pub userns_fd: u64,
}

#[repr(C)]
pub struct sockaddr_un {
    pub family: u16,
    pub path: [u8; 108],
}

#[repr(C)]
#[derive(Default)]
pub struct sockaddr_vm {
    pub family: u16,
    pub reserved: u16,
    pub port: u32,
    pub cid: u32,
    pub flags: u8,
    pub zero: [u8; 3],
}

#[repr(C)]
#[derive(Default)]
pub struct ucred {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// As the kernel has it, which is shorter than the C library's.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct termios {
    pub input: u32,
    pub output: u32,
    control: u32,
    pub local: u32,
    line: u8,
    characters: [u8; 19],
}

#[repr(C)]
pub struct iovec {
    pub iov_base: *const c_void,
    pub iov_len: usize,
}

#[repr(C)]
pub struct msghdr {
    pub msg_name: *const c_void,
    pub msg_namelen: c_uint,
    pub msg_iov: *const iovec,
    pub msg_iovlen: usize,
    pub msg_control: *const c_void,
    pub msg_controllen: usize,
    pub msg_flags: c_int,
}

/// A control message that carries one descriptor.
#[repr(C)]
pub struct cmsg_descriptor {
    pub cmsg_len: usize,
    pub cmsg_level: c_int,
    pub cmsg_type: c_int,
    pub descriptor: c_int,
    pub padding: c_int,
}

/// A control message that says who sent it.
#[repr(C)]
#[derive(Default)]
pub struct cmsg_credentials {
    pub cmsg_len: usize,
    pub cmsg_level: c_int,
    pub cmsg_type: c_int,
    pub credentials: ucred,
    padding: c_int,
}

/// Of `cmsg_credentials` without its padding.
pub const CREDENTIALS_LENGTH: usize = 28;

#[repr(C)]
pub struct sock_fprog {
    pub len: u16,
    pub filter: *const c_void,
}

#[repr(C)]
pub struct rlimit {
    pub rlim_cur: u64,
    pub rlim_max: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct rusage {
    pub ru_utime: timeval,
    pub ru_stime: timeval,
    rest: [c_long; 14],
}

#[repr(C)]
pub struct winsize {
    pub ws_row: u16,
    pub ws_col: u16,
    pub ws_xpixel: u16,
    pub ws_ypixel: u16,
}

#[repr(C)]
pub struct dirent64 {
    pub d_ino: u64,
    pub d_off: i64,
    pub d_reclen: u16,
    pub d_type: u8,
    pub d_name: [c_char; 256],
}

#[repr(C)]
#[derive(Default)]
pub struct statvfs64 {
    pub f_bsize: u64,
    pub f_frsize: u64,
    pub f_blocks: u64,
    pub f_bfree: u64,
    pub f_bavail: u64,
    pub f_files: u64,
    pub f_ffree: u64,
    rest: [u64; 7],
}

#[repr(C)]
#[derive(Default)]
pub struct statfs64 {
    pub f_type: i64,
    rest: [i64; 14],
}

/// An interface request, with the flags of its union.
#[repr(C)]
pub struct ifreq_flags {
    name: [u8; 16],
    pub flags: c_short,
    rest: [u8; 22],
}

impl ifreq_flags {
    pub fn named(name: &[u8]) -> ifreq_flags {
        let mut request = ifreq_flags { name: [0; 16], flags: 0, rest: [0; 22] };
        request.name.iter_mut().zip(name.iter().take(15)).for_each(|(to, from)| *to = *from);
        request
    }
}

#[repr(C)]
#[derive(Default)]
pub struct loop_info64 {
    pub lo_device: u64,
    pub lo_inode: u64,
    before: [u64; 3],
    numbers: [u32; 3],
    pub lo_flags: u32,
    names: [[u8; 32]; 5],
    after: [u64; 2],
}

#[repr(C)]
#[derive(Default)]
pub struct loop_config {
    pub fd: u32,
    pub block_size: u32,
    pub info: loop_info64,
    reserved: [u64; 8],
}

extern "C" {
    pub fn __xpg_strerror_r(errnum: c_int, buffer: *mut c_char, length: usize) -> c_int;

    pub fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn openat(directory: c_int, path: *const c_char, flags: c_int, ...) -> c_int;
    pub fn close(fd: c_int) -> c_int;
    pub fn read(fd: c_int, buffer: *mut c_void, count: usize) -> isize;
    pub fn write(fd: c_int, buffer: *const c_void, count: usize) -> isize;
    #[link_name = "fallocate64"]
    pub fn fallocate(fd: c_int, mode: c_int, start: i64, length: i64) -> c_int;
    #[link_name = "lseek64"]
    pub fn lseek(fd: c_int, offset: i64, whence: c_int) -> i64;
    #[link_name = "sendfile64"]
    pub fn sendfile(to: c_int, from: c_int, offset: *mut i64, count: usize) -> isize;
    pub fn dup2(from: c_int, to: c_int) -> c_int;
    pub fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int;
    pub fn pipe2(ends: *mut c_int, flags: c_int) -> c_int;
    pub fn flock(fd: c_int, operation: c_int) -> c_int;
    pub fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    pub fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    pub fn poll(entries: *mut pollfd, count: c_ulong, timeout: c_int) -> c_int;
    pub fn eventfd(initial: c_uint, flags: c_int) -> c_int;

    pub fn fdopendir(fd: c_int) -> *mut c_void;
    pub fn dirfd(directory: *mut c_void) -> c_int;
    pub fn readdir64(directory: *mut c_void) -> *mut dirent64;
    pub fn closedir(directory: *mut c_void) -> c_int;
    pub fn unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int;
    pub fn mknod(path: *const c_char, mode: u32, device: u64) -> c_int;
    pub fn lchown(path: *const c_char, owner: u32, group: u32) -> c_int;
    pub fn fchown(fd: c_int, owner: u32, group: u32) -> c_int;
    pub fn fchmod(fd: c_int, mode: u32) -> c_int;
    pub fn chmod(path: *const c_char, mode: u32) -> c_int;
    pub fn utimensat(directory: c_int, path: *const c_char, times: *const timespec, flags: c_int) -> c_int;
    pub fn lgetxattr(path: *const c_char, name: *const c_char, value: *mut c_void, size: usize) -> isize;
    pub fn llistxattr(path: *const c_char, names: *mut c_char, size: usize) -> isize;
    pub fn umask(mask: u32) -> u32;
    pub fn chdir(path: *const c_char) -> c_int;
    pub fn getxattr(path: *const c_char, name: *const c_char, value: *mut c_void, size: usize) -> isize;
    pub fn setxattr(path: *const c_char, name: *const c_char, value: *const c_void, size: usize, flags: c_int)
        -> c_int;
    pub fn listxattr(path: *const c_char, names: *mut c_char, size: usize) -> isize;
    pub fn removexattr(path: *const c_char, name: *const c_char) -> c_int;
    pub fn statfs64(path: *const c_char, status: *mut statfs64) -> c_int;
    pub fn statvfs64(path: *const c_char, status: *mut statvfs64) -> c_int;
    pub fn inotify_init1(flags: c_int) -> c_int;
    pub fn inotify_add_watch(fd: c_int, path: *const c_char, mask: u32) -> c_int;
    pub fn inotify_rm_watch(fd: c_int, watch: c_int) -> c_int;
    pub fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    pub fn syncfs(fd: c_int) -> c_int;
    pub fn umount2(target: *const c_char, flags: c_int) -> c_int;

    pub fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    pub fn bind(fd: c_int, address: *const sockaddr_un, length: c_uint) -> c_int;
    pub fn listen(fd: c_int, backlog: c_int) -> c_int;
    pub fn accept4(fd: c_int, address: *mut sockaddr_un, length: *mut c_uint, flags: c_int) -> c_int;
    pub fn connect(fd: c_int, address: *const sockaddr_un, length: c_uint) -> c_int;
    pub fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> isize;
    pub fn recv(fd: c_int, buffer: *mut c_void, length: usize, flags: c_int) -> isize;
    pub fn send(fd: c_int, buffer: *const c_void, length: usize, flags: c_int) -> isize;
    pub fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: c_uint) -> c_int;
    pub fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> isize;
    pub fn shutdown(fd: c_int, how: c_int) -> c_int;
    pub fn sethostname(name: *const c_char, length: usize) -> c_int;

    pub fn clone(
        run: extern "C" fn(*mut c_void) -> c_int,
        stack: *mut c_void,
        flags: c_int,
        argument: *mut c_void,
        ...
    ) -> c_int;
    pub fn execve(path: *const c_char, argv: *const *const c_char, env: *const *const c_char) -> c_int;
    pub fn _exit(status: c_int) -> !;
    pub fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    pub fn waitid(kind: c_int, id: c_uint, info: *mut siginfo_t, options: c_int) -> c_int;
    pub fn kill(pid: c_int, signal: c_int) -> c_int;
    pub fn signal(signal: c_int, action: usize) -> usize;
    pub fn sigemptyset(set: *mut sigset_t) -> c_int;
    pub fn sigaddset(set: *mut sigset_t, signal: c_int) -> c_int;
    #[link_name = "pthread_sigmask"]
    pub fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int;
    pub fn signalfd(fd: c_int, set: *const sigset_t, flags: c_int) -> c_int;
    pub fn setsid() -> c_int;
    pub fn geteuid() -> u32;
    pub fn getegid() -> u32;
    pub fn setuid(uid: u32) -> c_int;
    pub fn setgid(gid: u32) -> c_int;
    pub fn setgroups(count: usize, groups: *const u32) -> c_int;
    pub fn setfsuid(uid: u32) -> c_int;
    pub fn setfsgid(gid: u32) -> c_int;
    pub fn setrlimit(resource: c_int, limit: *const rlimit) -> c_int;
    pub fn getrusage(who: c_int, usage: *mut rusage) -> c_int;
    pub fn setns(fd: c_int, kind: c_int) -> c_int;
    pub fn unshare(flags: c_int) -> c_int;
    pub fn mkdirat(directory: c_int, name: *const c_char, mode: c_uint) -> c_int;
    pub fn fchownat(directory: c_int, name: *const c_char, uid: c_uint, gid: c_uint, flags: c_int) -> c_int;
    pub fn mmap(
        address: *const c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
    pub fn chroot(path: *const c_char) -> c_int;
    pub fn clock_settime(clock: c_int, time: *const timespec) -> c_int;
    pub fn reboot(command: c_int) -> c_int;
    pub fn sync();
    pub fn prctl(option: c_int, ...) -> c_int;
    pub fn syscall(number: c_long, ...) -> c_long;
    pub fn sysconf(name: c_int) -> c_long;
    pub fn mallopt(parameter: c_int, value: c_int) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::size_of;

    #[test]
    fn structures_have_the_sizes_the_kernel_expects() {
        let sizes = [size_of::<sigset_t>(), size_of::<siginfo_t>(), size_of::<rusage>(), size_of::<statvfs64>()];
        assert_eq!(sizes, [128, 128, 144, 112]);
        assert_eq!([size_of::<ifreq_flags>(), size_of::<loop_info64>(), size_of::<loop_config>()], [40, 232, 304]);
        assert_eq!(size_of::<dirent64>(), 280);
        assert_eq!([size_of::<msghdr>(), size_of::<cmsg_descriptor>(), size_of::<cmsg_credentials>()], [56, 24, 32]);
    }
}
