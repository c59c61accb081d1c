use super::configure::limit;
use super::workers::{self, Source};
use super::{reaper, Agent};
use crate::descendants::kill_descendants;
use crate::init::LimitGroup;
use crate::libc;
use crate::signals::Signals;
use crate::syscalls::{
    become_subreaper, close_from, describe, errno_of, filter_system_calls, set_close_on_exec, set_signal_action,
    Errno,
};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::io::{FromRawFd, RawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::Receiver;
use std::sync::Mutex;
use std::time::Instant;

const DEFAULT_LISTEN_FD: RawFd = 3;
const USAGE: &str =
    "usage: warren-guest agent [--listen-fd N | --listen PATH] [--seccomp-fd N] [--max-processes N]";

enum Listen {
    Inherited(RawFd),
    At(String),
}

struct Options {
    listen: Listen,
    /// Where to read the system call filter to put on us and all we start: struct sock_filter, one after the other.
    filter_fd: Option<RawFd>,
    max_processes: Option<u64>,
}

/// Returns an exit code only if it could not start or was told to end.
pub fn main(arguments: &[String]) -> i32 {
    let Options { listen, filter_fd, max_processes } = match parse(arguments) {
        Ok(options) => options,
        Err(message) => return complain(&message),
    };
    protect_from_programs();
    // Before there is another thread or a socket: what cannot be confined must not serve.
    if let Err(message) = confine(filter_fd, max_processes) {
        return complain(&message);
    }
    settle_in();
    // First, because it closes all other descriptors.
    let listener = match open(&listen) {
        Ok(listener) => listener,
        Err(message) => return complain(&message),
    };
    let (listens_at, keeper) = match listen {
        Listen::Inherited(_) => (None, pipe_to_keeper()),
        Listen::At(path) => (Some(path), -1),
    };
    run(Served { source: Source::Socket(listener), listens_at, limits: None, keeper })
}

/// The agent of a microVM, which is its first process already: connections come over the serial line.
pub fn serve_line(connections: Receiver<UnixStream>, limits: Option<LimitGroup>) -> i32 {
    protect_from_programs();
    // In a container the keeper has seen to that.
    let _ = limit(libc::RLIMIT_CORE, 0);
    settle_in();
    run(Served { source: Source::Line(Mutex::new(connections)), listens_at: None, limits, keeper: -1 })
}

/// Programs of our own user must not reach into us through /proc.
fn protect_from_programs() {
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0u64, 0u64, 0u64, 0u64) };
}

fn settle_in() {
    use_little_memory();
    open_standard_descriptors();
    for signal in 1..=31 {
        set_signal_action(signal, libc::SIG_DFL);
    }
    set_signal_action(libc::SIGPIPE, libc::SIG_IGN);
    unsafe { libc::umask(0) };
    if is_init() {
        super::configure::raise_loopback();
    } else {
        become_subreaper();
    }
}

fn is_init() -> bool {
    std::process::id() == 1
}

struct Served {
    source: Source,
    listens_at: Option<String>,
    limits: Option<LimitGroup>,
    /// Tells the keeper that we end; -1 where there is none to be told.
    keeper: RawFd,
}

fn run(Served { source, listens_at, limits, keeper }: Served) -> i32 {
    let is_init = is_init();
    let signals = match Signals::open(reaper::awaited_signals(is_init)) {
        Ok(signals) => signals,
        Err(errno) => return complain(&describe(errno)),
    };

    let agent: &'static Agent = Box::leak(Box::new(Agent {
        links: Default::default(),
        processes: Default::default(),
        logs: Default::default(),
        default_env: Mutex::new(Vec::new()),
        limits,
        started: Instant::now(),
        workers: match workers::Workers::new() {
            Ok(workers) => workers,
            Err(message) => return complain(&message),
        },
        listens_at,
    }));
    if workers::start(agent, source).is_err() {
        return complain("cannot start a thread");
    }
    super::as_root::start(agent);
    reaper::run(agent, &signals, keeper);
    // As pid 1 the kernel ends the others with us; else they are ours to end.
    if !is_init {
        kill_descendants();
    }
    0
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { listen: Listen::Inherited(DEFAULT_LISTEN_FD), filter_fd: None, max_processes: None };
    for pair in arguments.chunks(2) {
        match pair {
            [option, value] if option == "--listen" => options.listen = Listen::At(value.clone()),
            [option, value] if option == "--listen-fd" => options.listen = Listen::Inherited(descriptor(option, value)?),
            [option, value] if option == "--seccomp-fd" => options.filter_fd = Some(descriptor(option, value)?),
            [option, value] if option == "--max-processes" => {
                let count = value.parse().map_err(|_| format!("{} takes a number, not {}", option, value))?;
                options.max_processes = Some(count);
            }
            _ => return Err(USAGE.to_string()),
        }
    }
    Ok(options)
}

fn descriptor(option: &str, value: &str) -> Result<RawFd, String> {
    match value.parse::<RawFd>() {
        Ok(fd) if fd > 2 => Ok(fd),
        _ => Err(format!("{} takes a descriptor above 2, not {}", option, value)),
    }
}

fn confine(filter_fd: Option<RawFd>, max_processes: Option<u64>) -> Result<(), String> {
    if let Some(most) = max_processes {
        limit(libc::RLIMIT_NPROC, most)
            .map_err(|errno| format!("cannot limit processes: {}", describe(errno)))?;
    }
    if let Some(fd) = filter_fd {
        let mut program = Vec::new();
        let mut file = unsafe { File::from_raw_fd(fd) };
        file.read_to_end(&mut program).map_err(|error| format!("cannot read the system call filter: {}", error))?;
        filter_system_calls(&program)
            .map_err(|errno| format!("cannot install the system call filter: {}", describe(errno)))?;
    }
    Ok(())
}

fn open(listen: &Listen) -> Result<UnixListener, String> {
    match listen {
        Listen::Inherited(fd) => {
            inherit(*fd).map_err(|errno| format!("descriptor {} is not a listening socket: {}", fd, describe(errno)))
        }
        Listen::At(path) => {
            close_from(3);
            listen_at(path).map_err(|error| format!("cannot listen at {}: {}", path, error))
        }
    }
}

/// Makes a socket to which only our own user can connect: whoever can may become root through us. Programs would take the
/// mask that is set meanwhile, so none may be started.
pub fn listen_at(path: &str) -> Result<UnixListener, std::io::Error> {
    let _ = std::fs::remove_file(path);
    let mask = unsafe { libc::umask(0o177) };
    let listener = UnixListener::bind(path);
    unsafe { libc::umask(mask) };
    listener
}

/// Takes over the descriptor and closes every other that was inherited.
fn inherit(fd: RawFd) -> Result<UnixListener, Errno> {
    let listener = unsafe { UnixListener::from_raw_fd(fd) };
    listener.local_addr().map_err(|error| errno_of(&error))?;
    if fd > 3 {
        unsafe { libc::syscall(libc::SYS_CLOSE_RANGE, 3i64, fd as i64 - 1, 0i64) };
    }
    close_from(fd as u32 + 1);
    set_close_on_exec(fd, true)?;
    listener.set_nonblocking(false).map_err(|error| errno_of(&error))?;
    Ok(listener)
}

/// Our standard error, if it is a pipe: the keeper holds its other end for as long as it lives. Else -1.
fn pipe_to_keeper() -> RawFd {
    let stderr = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(2) });
    let is_pipe = stderr.metadata().map_or(false, |metadata| metadata.file_type().is_fifo());
    if is_pipe {
        2
    } else {
        -1
    }
}

/// One heap for all threads, and large buffers given back to the kernel when freed.
fn use_little_memory() {
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * 1024);
    }
}

/// Whatever is opened later must not become a process's standard input by accident.
fn open_standard_descriptors() {
    loop {
        let fd = unsafe { libc::open(b"/dev/null\0".as_ptr().cast(), libc::O_RDWR, 0) };
        if !(0..=2).contains(&fd) {
            if fd > 2 {
                unsafe { libc::close(fd) };
            }
            return;
        }
    }
}

fn complain(message: &str) -> i32 {
    eprintln!("warren-guest: {}", message);
    1
}
