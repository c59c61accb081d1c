//! The system calls that the standard library does not offer, with errors as values.

use crate::libc::{self, c_int, c_void};
use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{SystemTime, UNIX_EPOCH};

pub type Errno = i32;

pub fn errno() -> Errno {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

pub fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().unwrap_or(libc::EIO)
}

pub fn describe(errno: Errno) -> String {
    let mut buffer = [0u8; 128];
    unsafe { libc::__xpg_strerror_r(errno, buffer.as_mut_ptr().cast(), buffer.len()) };
    let length = buffer.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// What could not be done, and why.
pub fn failed(what: &str, errno: Errno) -> String {
    format!("cannot {}: {}", what, describe(errno))
}

pub fn check(result: c_int) -> Result<c_int, Errno> {
    if result < 0 {
        Err(errno())
    } else {
        Ok(result)
    }
}

fn check_size(result: isize) -> Result<usize, Errno> {
    if result < 0 {
        Err(errno())
    } else {
        Ok(result as usize)
    }
}

pub fn c_string(bytes: &[u8]) -> Result<CString, Errno> {
    CString::new(bytes).map_err(|_| libc::EINVAL)
}

pub fn owned(fd: c_int) -> Result<OwnedFd, Errno> {
    check(fd).map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })
}

pub fn read(fd: RawFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    retry(|| check_size(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) }))
}

pub fn write(fd: RawFd, bytes: &[u8]) -> Result<usize, Errno> {
    retry(|| check_size(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) }))
}

pub fn receive(fd: RawFd, buffer: &mut [u8], flags: c_int) -> Result<usize, Errno> {
    retry(|| check_size(unsafe { libc::recv(fd, buffer.as_mut_ptr().cast(), buffer.len(), flags) }))
}

pub fn send(fd: RawFd, bytes: &[u8], flags: c_int) -> Result<usize, Errno> {
    retry(|| check_size(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags | libc::MSG_NOSIGNAL) }))
}

fn retry<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(libc::EINTR) => continue,
            result => return result,
        }
    }
}

/// Opens with close-on-exec.
pub fn open(path: &CStr, flags: c_int, mode: u32) -> Result<OwnedFd, Errno> {
    retry(|| owned(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, mode) }))
}

pub fn open_at(directory: RawFd, name: &CStr, flags: c_int) -> Result<OwnedFd, Errno> {
    retry(|| owned(unsafe { libc::openat(directory, name.as_ptr(), flags | libc::O_CLOEXEC, 0) }))
}

/// The read end and the write end, both close-on-exec.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Errno> {
    let mut ends = [0; 2];
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    unsafe { Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))) }
}

pub fn set_nonblocking(fd: RawFd) -> Result<(), Errno> {
    let flags = check(unsafe { libc::fcntl(fd, libc::F_GETFL, 0) })?;
    check(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) }).map(drop)
}

pub fn set_close_on_exec(fd: RawFd, on: bool) -> Result<(), Errno> {
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, if on { libc::FD_CLOEXEC } else { 0 }) }).map(drop)
}

pub fn poll_entry(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// Waits for at most `timeout_ms` (-1 for ever). An interrupted wait is an empty one.
pub fn poll(entries: &mut [libc::pollfd], timeout_ms: i32) {
    let found = unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as u64, timeout_ms) };
    if found < 0 {
        entries.iter_mut().for_each(|entry| entry.revents = 0);
    }
}

pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Wakes a thread that polls. Waking twice before it looks counts once.
pub struct Waker(OwnedFd);

impl Waker {
    pub fn new() -> Result<Waker, Errno> {
        owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }).map(Waker)
    }

    pub fn wake(&self) {
        let _ = write(self.0.as_raw_fd(), &1u64.to_ne_bytes());
    }

    pub fn clear(&self) {
        let _ = read(self.0.as_raw_fd(), &mut [0u8; 8]);
    }

    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// What became of a child.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    Exited(i32),
    Killed(i32),
}

impl Ending {
    fn from_status(status: c_int) -> Ending {
        match status & 0x7f {
            0 => Ending::Exited((status >> 8) & 0xff),
            signal => Ending::Killed(signal),
        }
    }
}

/// Takes the child `pid` (or any, with -1) if it has ended.
pub fn reap(pid: i32) -> Option<(i32, Ending)> {
    let mut status = 0;
    match unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } {
        found if found > 0 => Some((found, Ending::from_status(status))),
        _ => None,
    }
}

/// The pid of some child that has ended, left to be reaped.
pub fn ended_child() -> Option<i32> {
    let mut info = libc::siginfo_t::default();
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    match unsafe { libc::waitid(libc::P_ALL, 0, &mut info, flags) } {
        0 if info.si_pid > 0 => Some(info.si_pid),
        _ => None,
    }
}

pub fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Blocks `signals` in this thread and those it starts, so that they can be waited for.
pub fn block_signals(signals: &[c_int]) -> libc::sigset_t {
    let mut set = libc::sigset_t::default();
    unsafe {
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
    }
    set
}

pub fn set_signal_action(signal: c_int, action: usize) {
    unsafe { libc::signal(signal, action) };
}

pub fn become_subreaper() {
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1u64, 0u64, 0u64, 0u64) };
}

/// Puts a classic BPF program, struct sock_filter one after the other, on this thread and what it starts, for good.
pub fn filter_system_calls(program: &[u8]) -> Result<(), Errno> {
    const INSTRUCTION: usize = 8;
    let length = program.len() / INSTRUCTION;
    if length == 0 || length > 4096 || program.len() % INSTRUCTION != 0 {
        return Err(libc::EINVAL);
    }
    let filter = libc::sock_fprog { len: length as u16, filter: program.as_ptr().cast() };
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1u64, 0u64, 0u64, 0u64) })?;
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter as *const _ as u64, 0u64, 0u64) })
        .map(drop)
}

/// Closes every descriptor from `first` on. Kernels before 5.9 lack the call; ours are close-on-exec anyway.
pub fn close_from(first: u32) {
    unsafe { libc::syscall(libc::SYS_CLOSE_RANGE, first as i64, u32::MAX as i64, 0i64) };
}

/// Moves this process into the network namespace that the file at `path` stands for. What belongs to a user namespace of our
/// own user may be entered from within that alone.
pub fn enter_network(path: &str) -> Result<(), String> {
    let failed = |errno| format!("cannot enter the network {}: {}", path, describe(errno));
    let name = c_string(path.as_bytes()).map_err(failed)?;
    let file = open(&name, libc::O_RDONLY, 0).map_err(failed)?;
    let enter = || check(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }).map(drop);
    match enter() {
        Err(libc::EPERM) => enter_owner(file.as_raw_fd()).and_then(|()| enter()),
        other => other,
    }
    .map_err(failed)
}

fn enter_owner(namespace: RawFd) -> Result<(), Errno> {
    let owner = owned(unsafe { libc::ioctl(namespace, libc::NS_GET_USERNS) })?;
    check(unsafe { libc::setns(owner.as_raw_fd(), libc::CLONE_NEWUSER) }).map(drop)
}

pub fn mount(source: &str, target: &str, kind: &str, flags: u64, data: &str) -> Result<(), Errno> {
    let [source, target, kind, data] =
        [source, target, kind, data].map(|text| c_string(text.as_bytes()).unwrap_or_default());
    let data = data.as_ptr() as *const c_void;
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, data) }).map(drop)
}

/// A file in memory that goes with its last descriptor or mapping.
/// Gives a part of a file back, which reads as zeros from then on.
pub fn punch_hole(fd: RawFd, start: u64, length: u64) -> Result<(), Errno> {
    let mode = libc::FALLOC_FL_KEEP_SIZE | libc::FALLOC_FL_PUNCH_HOLE;
    check(unsafe { libc::fallocate(fd, mode, start as i64, length as i64) }).map(drop)
}

pub fn memory_file(name: &str, size: u64) -> Result<File, Errno> {
    let name = c_string(name.as_bytes())?;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let fd = unsafe { libc::syscall(libc::SYS_MEMFD_CREATE, name.as_ptr(), flags) };
    let file = File::from(owned(fd as c_int)?);
    file.set_len(size).map_err(|error| errno_of(&error))?;
    Ok(file)
}

/// Sends `bytes` and with them a descriptor.
pub fn send_descriptor(socket: RawFd, bytes: &[u8], descriptor: RawFd) -> Result<(), Errno> {
    let control = libc::cmsg_descriptor {
        cmsg_len: 20,
        cmsg_level: libc::SOL_SOCKET,
        cmsg_type: libc::SCM_RIGHTS,
        descriptor,
        padding: 0,
    };
    let vector = libc::iovec { iov_base: bytes.as_ptr().cast(), iov_len: bytes.len() };
    let message = libc::msghdr {
        msg_name: std::ptr::null(),
        msg_namelen: 0,
        msg_iov: &vector,
        msg_iovlen: 1,
        msg_control: &control as *const libc::cmsg_descriptor as *const c_void,
        msg_controllen: std::mem::size_of::<libc::cmsg_descriptor>(),
        msg_flags: 0,
    };
    match check_size(unsafe { libc::sendmsg(socket, &message, libc::MSG_NOSIGNAL) })? {
        sent if sent == bytes.len() => Ok(()),
        _ => Err(libc::EAGAIN),
    }
}
