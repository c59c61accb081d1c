use super::api::Api;
use super::filter;
use super::firecracker::Firecracker;
use super::jail::{self, Jail};
use super::link::Link;
use super::monitor::Monitor;
use super::options::{Options, CONSOLE_FD, DISK_FD, LINK_FD, MEMORY_FD, QMP_FD, SAVED_FD, TAP_FD};
use super::qemu::Qemu;
use super::qmp::Qmp;
use super::snapshot::Saved;
use super::tap::open_tap;
use crate::libc;
use crate::signals::Signals;
use crate::sparse_copy::{copy_sparse, copy_sparse_file};
use crate::syscalls::{c_string, check, close_from, describe, ended_child, failed, memory_file, open, set_nonblocking, Errno};
use std::fs::{File, OpenOptions};
use std::io::Error;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
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
    pub link: Link,
    pub console: UnixStream,
    pub monitor: Box<dyn Monitor>,
    pub saved: Saved,
    pub signals: Signals,
}

/// Opens what only root may, becomes the machine's user, starts the monitor and waits until the guest runs.
pub fn start(options: &Options) -> Result<Machine, String> {
    let agents = listener(AGENT_LISTENER)?;
    let controls = listener(CONTROL_LISTENER)?;
    close_from(CONTROL_LISTENER as u32 + 1);
    let (uid, gid) = options.identity;
    let disk = make_disk(&options.disk_from, uid, gid)?;
    let folder = make_folder(uid, gid)?;
    let memory = match options.memory_of {
        None => memory_file("guest", options.memory_mb << 20).map_err(|errno| failed("make the memory", errno))?,
        Some((pid, fd)) => open_file(&format!("/proc/{}/fd/{}", pid, fd), true)?,
    };
    let by_name = options.api.is_some();
    let mut files = Vec::new();
    for (fd, path) in &options.files {
        let file = open_file(path, false)?;
        let given = if by_name { openable(file).map_err(|errno| failed(&format!("read {}", path), errno))? } else { file };
        files.push((*fd, high(&given)?));
    }
    let tap = options.network.as_deref().map(|network| open_tap(network, by_name.then(|| uid))).transpose()?;
    let keeps_network = by_name && tap.is_some();
    jail::enter(Jail { devices: &options.devices, owner: options.identity, keeps_network })?;
    become_user(uid, gid).map_err(|errno| failed("become the machine's user", errno))?;

    let signals = Signals::open(&[libc::SIGCHLD]).map_err(|errno| failed("wait for signals", errno))?;
    let (console, console_end) = socket_pair()?;
    files.push((DISK_FD, high(&disk)?));
    files.push((MEMORY_FD, high(&memory)?));
    let (pid, link, monitor): (i32, Link, Box<dyn Monitor>) = match (&options.api, &options.vsock) {
        (Some(api), Some((path, port))) => {
            // Its console is what it reads and writes. It opens the tap device itself.
            files.extend([(0, high(&console_end)?), (1, high(&console_end)?), (SAVED_FD, high(&folder)?)]);
            let pid = spawn(&options.command, files)?;
            let mut api = Api::open(api, || ended_child().is_some())?;
            for request in &options.requests {
                api.request(request)?;
            }
            (pid, Link::Vsock { path: path.clone(), port: *port }, Box::new(Firecracker { api }))
        }
        _ => {
            let (link, link_end) = socket_pair()?;
            let (qmp, qmp_end) = socket_pair()?;
            for (fd, end) in [(LINK_FD, &link_end), (QMP_FD, &qmp_end), (CONSOLE_FD, &console_end)] {
                files.push((fd, high(end)?));
            }
            if let Some(tap) = tap {
                files.push((TAP_FD, high(&tap)?));
            }
            let pid = spawn(&options.command, files)?;
            drop((link_end, qmp_end));
            let mut qmp = Qmp::open(qmp)?;
            if let Some(fd) = options.incoming {
                qmp.restore(fd)?;
            }
            set_nonblocking(link.as_raw_fd()).map_err(describe)?;
            (pid, Link::Line(link), Box::new(Qemu { qmp, pid, memory }))
        }
    };
    drop(console_end);
    filter::enter(by_name)?;
    set_nonblocking(console.as_raw_fd()).map_err(describe)?;
    Ok(Machine { pid, agents, controls, link, console, monitor, saved: Saved { folder, disk }, signals })
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

/// A monitor that opens a descriptor's file again does so with its own rights. What only root may read it gets as a copy.
fn openable(file: File) -> Result<File, Errno> {
    let readable_by_all = file.metadata().map_or(false, |metadata| metadata.mode() & 0o004 != 0);
    if readable_by_all {
        return Ok(file);
    }
    let copy = memory_file("copy", 0)?;
    copy_sparse_file(&file, &copy)?;
    Ok(copy)
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
