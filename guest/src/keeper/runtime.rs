use super::options::Options;
use crate::libc::{self, c_char};
use crate::syscalls::{c_string, check, errno, open, set_close_on_exec, set_signal_action, write, Errno};
use std::ffi::CString;
use std::fs::File;
use std::io::Error;
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Where the runtime finds the agent's listening socket.
pub const AGENT_SOCKET_FD: i32 = 3;

/// Starts a command line of the runtime with its output going to `console`, and with `gate` where the options want it. Its
/// pid; it is running its program when this returns.
pub fn start_runtime(
    command_line: &[String],
    options: &Options,
    console: OwnedFd,
    gate: Option<OwnedFd>,
) -> Result<i32, String> {
    let (program, arguments) = command_line.split_first().ok_or("the runtime's command line is empty")?;
    let console = File::from(console);
    let same_console = console.try_clone().map_err(|error| error.to_string())?;
    let mut child = Child::prepare(options, gate)
        .map_err(|errno| format!("cannot prepare the runtime's files: {}", crate::syscalls::describe(errno)))?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(console).stderr(same_console);
    unsafe { command.pre_exec(move || child.enter().map_err(Error::from_raw_os_error)) };
    let started = command.spawn().map_err(|error| format!("cannot start {}: {}", program, error))?;
    Ok(started.id() as i32)
}

/// What the child does to itself between fork and exec.
struct Child {
    cgroups: Vec<CString>,
    opened: Vec<(i32, OwnedFd)>,
    limits: Vec<(libc::c_int, u64)>,
    identity: Option<(u32, u32)>,
    oom_score: Vec<u8>,
}

impl Child {
    fn prepare(options: &Options, gate: Option<OwnedFd>) -> Result<Child, Errno> {
        let gate = options.gate.zip(gate).map(|(wanted, gate)| kept_high(wanted, &gate));
        Ok(Child {
            cgroups: options
                .cgroups
                .iter()
                .map(|path| c_string(path.as_bytes()))
                .collect::<Result<_, _>>()?,
            opened: {
                let files = options.opened.iter().map(open_for_runtime);
                files.chain(options.listens.iter().map(listen_for_runtime)).chain(gate).collect::<Result<_, _>>()?
            },
            limits: options.limits.clone(),
            identity: options.identity,
            oom_score: std::fs::read(OOM_SCORE).unwrap_or_default(),
        })
    }

    fn enter(&mut self) -> Result<(), Errno> {
        for path in &self.cgroups {
            let joined = open(path, libc::O_WRONLY, 0).and_then(|procs| write(procs.as_raw_fd(), b"0"));
            joined.map_err(|errno| complain(errno, b"cannot join a cgroup\n"))?;
        }
        for (resource, limit) in &self.limits {
            let limit = libc::rlimit { rlim_cur: *limit, rlim_max: *limit };
            check(unsafe { libc::setrlimit(*resource, &limit) })
                .map_err(|errno| complain(errno, b"cannot set a resource limit\n"))?;
        }
        self.give_back_what_the_keeper_took();
        if let Some((uid, gid)) = self.identity {
            let changed = unsafe {
                libc::setgroups(0, std::ptr::null()) == 0 && libc::setgid(gid) == 0 && libc::setuid(uid) == 0
            };
            if !changed {
                return Err(complain(errno(), b"cannot change user\n"));
            }
        }
        for (wanted, file) in &self.opened {
            check(unsafe { libc::dup3(file.as_raw_fd(), *wanted, 0) })?;
        }
        set_close_on_exec(AGENT_SOCKET_FD, false)
    }

    fn give_back_what_the_keeper_took(&self) {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE] {
            set_signal_action(signal, libc::SIG_DFL);
        }
        unsafe { libc::umask(0o022) };
        let path: *const c_char = b"/proc/self/oom_score_adj\0".as_ptr().cast();
        let file = unsafe { libc::open(path, libc::O_WRONLY | libc::O_CLOEXEC, 0) };
        if file >= 0 {
            let _ = write(file, &self.oom_score);
        }
    }
}

fn open_for_runtime((wanted, path): &(i32, String)) -> Result<(i32, OwnedFd), Errno> {
    let file = open(&c_string(path.as_bytes())?, libc::O_RDONLY, 0)?;
    kept_high(*wanted, &file)
}

fn listen_for_runtime((wanted, name): &(i32, String)) -> Result<(i32, OwnedFd), Errno> {
    let socket = super::start::listen(name).map_err(|_| libc::EACCES)?;
    kept_high(*wanted, &socket)
}

/// Kept out of the low numbers, so that giving one its place never closes another.
fn kept_high(wanted: i32, file: &impl AsRawFd) -> Result<(i32, OwnedFd), Errno> {
    let high = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 100) };
    Ok((wanted, crate::syscalls::owned(high)?))
}

const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Goes to the console, whose end the start failure carries.
fn complain(errno: Errno, message: &[u8]) -> Errno {
    let _ = write(2, message);
    errno
}
