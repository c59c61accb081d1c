use super::filter;
use super::jail;
use super::options::{Options, CONSOLE_FD, DISK_FD, LINK_FD, MEMORY_FD, QMP_FD, TAP_FD};
use super::qmp::Qmp;
use super::tap::open_tap;
use crate::libc;
use crate::signals::Signals;
use crate::sparse_copy::copy_sparse;
use crate::syscalls::{c_string, check, close_from, describe, failed, memory_file, open, set_nonblocking, Errno};
use std::fs::{File, OpenOptions};
use std::io::Error;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Sockets that the keeper hands on: connections for the agent inside, and for the monitor itself.
const AGENT_LISTENER: RawFd = 3;
const CONTROL_LISTENER: RawFd = 4;
const DISK: &str = "disk.img";
/// A folder that belongs to the machine's user: what is saved goes there.
const SAVED: &str = "machine";
const DISK_IN_THE_MAKING: &str = "disk.img.partial";

/// A machine that runs, and everything it is spoken to by.
pub struct Machine {
    pub pid: i32,
    pub agents: UnixListener,
    pub controls: UnixListener,
    pub link: UnixStream,
    pub console: UnixStream,
    pub qmp: Qmp,
    pub memory: File,
    pub disk: File,
    pub saved: OwnedFd,
    pub signals: Signals,
}

/// Opens what only root may, becomes the machine's user, starts the monitor and waits until the guest runs.
pub fn start(options: &Options) -> Result<Machine, String> {
    let agents = listener(AGENT_LISTENER)?;
    let controls = listener(CONTROL_LISTENER)?;
    close_from(CONTROL_LISTENER as u32 + 1);
    let (uid, gid) = options.identity;
    let disk = make_disk(&options.disk_from, uid, gid)?;
    let saved = make_folder(uid, gid)?;
    let memory = match options.memory_of {
        None => memory_file("guest", options.memory_mb << 20).map_err(|errno| failed("make the memory", errno))?,
        Some((pid, fd)) => open_file(&format!("/proc/{}/fd/{}", pid, fd), true)?,
    };
    let mut files = Vec::new();
    for (fd, path) in &options.files {
        files.push((*fd, high(&open_file(path, false)?)?));
    }
    let tap = options.network.as_deref().map(open_tap).transpose()?;
    jail::enter(&options.devices, options.identity)?;
    become_user(uid, gid).map_err(|errno| failed("become the machine's user", errno))?;

    let signals = Signals::open(&[libc::SIGCHLD]).map_err(|errno| failed("wait for signals", errno))?;
    let (link, link_end) = socket_pair()?;
    let (qmp, qmp_end) = socket_pair()?;
    let (console, console_end) = socket_pair()?;
    let ends = [(LINK_FD, &link_end), (QMP_FD, &qmp_end), (CONSOLE_FD, &console_end)];
    for (fd, end) in ends {
        files.push((fd, high(end)?));
    }
    files.push((MEMORY_FD, high(&memory)?));
    files.push((DISK_FD, high(&disk)?));
    if let Some(tap) = tap {
        files.push((TAP_FD, high(&tap)?));
    }
    let pid = spawn(&options.command, files)?;
    drop((link_end, qmp_end, console_end));

    let mut qmp = Qmp::open(qmp)?;
    if let Some(fd) = options.incoming {
        qmp.restore(fd)?;
    }
    filter::enter()?;
    set_nonblocking(link.as_raw_fd()).map_err(describe)?;
    set_nonblocking(console.as_raw_fd()).map_err(describe)?;
    Ok(Machine { pid, agents, controls, link, console, qmp, memory, disk, saved, signals })
}

fn listener(fd: RawFd) -> Result<UnixListener, String> {
    let listener = unsafe { UnixListener::from_raw_fd(fd) };
    crate::syscalls::set_close_on_exec(fd, true)
        .map_err(|errno| format!("descriptor {} is not a listening socket: {}", fd, describe(errno)))?;
    Ok(listener)
}

/// The working directory is the sandbox's folder, which only root may enter. A disk that is there is the sandbox's own.
fn make_disk(from: &str, uid: u32, gid: u32) -> Result<File, String> {
    if !Path::new(DISK).exists() {
        copy_sparse(from, DISK_IN_THE_MAKING).map_err(|errno| failed(&format!("copy {}", from), errno))?;
        std::fs::rename(DISK_IN_THE_MAKING, DISK).map_err(|error| format!("{}: {}", DISK, error))?;
    }
    let disk = OpenOptions::new().read(true).write(true).open(DISK).map_err(|error| format!("{}: {}", DISK, error))?;
    check(unsafe { libc::fchown(disk.as_raw_fd(), uid, gid) }).map_err(|errno| failed("give the disk away", errno))?;
    Ok(disk)
}

fn make_folder(uid: u32, gid: u32) -> Result<OwnedFd, String> {
    std::fs::create_dir(SAVED).map_err(|error| format!("cannot make {}: {}", SAVED, error))?;
    let path = c_string(SAVED.as_bytes()).unwrap_or_default();
    let folder = open(&path, libc::O_RDONLY | libc::O_DIRECTORY, 0).map_err(|errno| failed("open a folder", errno))?;
    check(unsafe { libc::fchown(folder.as_raw_fd(), uid, gid) }).map_err(|errno| failed("give a folder away", errno))?;
    Ok(folder)
}

fn open_file(path: &str, writable: bool) -> Result<File, String> {
    let options = OpenOptions::new().read(true).write(writable).custom_flags(libc::O_CLOEXEC).open(path);
    options.map_err(|error| format!("cannot open {}: {}", path, error))
}

fn become_user(uid: u32, gid: u32) -> Result<(), Errno> {
    // So that nobody gets them back, by whatever program.
    for capability in 0..64u64 {
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0u64, 0u64, 0u64) };
    }
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setgid(gid))?;
        check(libc::setuid(uid))?;
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1u64, 0u64, 0u64, 0u64)).map(drop)
    }
}

fn socket_pair() -> Result<(UnixStream, UnixStream), String> {
    UnixStream::pair().map_err(|error| format!("cannot make a socket: {}", error))
}

/// A copy out of the low numbers, so that giving one its place never closes another.
fn high(file: &impl AsRawFd) -> Result<OwnedFd, String> {
    let copy = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 100) };
    crate::syscalls::owned(copy).map_err(|errno| failed("copy a descriptor", errno))
}

/// From the main thread: the machine is killed when the thread that started it ends.
fn spawn(command: &[String], files: Vec<(RawFd, OwnedFd)>) -> Result<i32, String> {
    let (program, arguments) = command.split_first().ok_or("the machine monitor is missing")?;
    let mut child = Command::new(program);
    child.args(arguments).stdin(Stdio::null()).current_dir("/");
    unsafe {
        child.pre_exec(move || {
            let none = libc::sigset_t::default();
            libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64, 0u64, 0u64, 0u64);
            for (wanted, file) in &files {
                check(libc::dup2(file.as_raw_fd(), *wanted)).map_err(Error::from_raw_os_error)?;
            }
            Ok(())
        })
    };
    let started = child.spawn().map_err(|error| format!("cannot start {}: {}", program, error))?;
    Ok(started.id() as i32)
}
