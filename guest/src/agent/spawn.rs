//! Starting a process: a child that shares our memory until it executes, so that nothing is copied and failures come back
//! as plain values. Between `clone` and `execve` only raw system calls are made.

use super::users::{become_user, may_set_groups, own_uid, set_thread_groups, User};
use crate::failure::{Failure, Outcome};
use crate::libc::{self, c_char, c_int, c_void};
use crate::syscalls::{c_string, check, close_from, errno, Errno};
use std::ffi::CString;
use std::os::unix::io::RawFd;
use std::ptr::null;

const CHILD_STACK: usize = 32 * 1024;
const CHILD_OOM_SCORE: &[u8] = b"500";

pub struct Command<'a> {
    pub argv: &'a [Vec<u8>],
    /// `K=V` each.
    pub env: &'a [Vec<u8>],
    pub user: &'a User,
    pub cwd: &'a [u8],
    /// Start in `/` where `cwd` does not exist: it was not asked for.
    pub cwd_is_optional: bool,
    /// For 0, 1 and 2. All are above 2 themselves.
    pub stdio: [RawFd; 3],
    /// For 3. It is above 3 itself.
    pub link: Option<RawFd>,
    pub controlling_terminal: bool,
}

/// Starts `command` in a session and process group of its own and returns its pid once it runs the program asked for.
pub fn spawn(command: &Command) -> Outcome<i32> {
    let program = command.argv.first().filter(|name| !name.is_empty());
    let program = program.ok_or_else(|| Failure::new("invalid", "the command is empty"))?;
    let strings = |list: &[Vec<u8>]| list.iter().map(|item| c_string(item)).collect::<Result<Vec<CString>, Errno>>();
    let has_nul = |_| Failure::new("invalid", "a NUL byte in argv, env or cwd");
    let argv = strings(command.argv).map_err(has_nul)?;
    let env = strings(command.env).map_err(has_nul)?;
    let candidates = strings(&candidates(program, command.env)).map_err(has_nul)?;
    let cwd = c_string(command.cwd).map_err(has_nul)?;

    let argv_pointers = pointers(argv.iter());
    // What a file without an interpreter line is given to: sh, the file, the arguments.
    let mut script_pointers = vec![b"/bin/sh\0".as_ptr().cast(), null()];
    script_pointers.extend(argv_pointers.iter().skip(1));
    let env_pointers = pointers(env.iter());
    let candidate_pointers = pointers(candidates.iter());

    let mut child = Child {
        candidates: &candidate_pointers,
        argv: &argv_pointers,
        script: &mut script_pointers,
        env: &env_pointers,
        cwd: cwd.as_ptr(),
        cwd_is_optional: command.cwd_is_optional,
        identity: (own_uid() == 0).then(|| command.user),
        sets_groups: may_set_groups(),
        stdio: command.stdio,
        link: command.link,
        controlling_terminal: command.controlling_terminal,
        failed: None,
    };
    let pid = clone_and_wait(&mut child).map_err(|errno| match errno {
        libc::EAGAIN | libc::ENOMEM => {
            Failure { errno, ..Failure::new("limit", "process limit of the sandbox reached") }
        }
        _ => Failure::from_errno(errno, "cannot start a process"),
    })?;
    match child.failed {
        None => Ok(pid),
        Some((stage, errno)) => Err(explain(stage, errno, command, &String::from_utf8_lossy(program))),
    }
}

#[derive(Clone, Copy)]
enum Stage {
    Stdio,
    User,
    Cwd,
    Exec,
}

struct Child<'a> {
    candidates: &'a [*const c_char],
    argv: &'a [*const c_char],
    script: &'a mut [*const c_char],
    env: &'a [*const c_char],
    cwd: *const c_char,
    cwd_is_optional: bool,
    identity: Option<&'a User>,
    sets_groups: bool,
    stdio: [RawFd; 3],
    link: Option<RawFd>,
    controlling_terminal: bool,
    failed: Option<(Stage, Errno)>,
}

fn explain(stage: Stage, errno: Errno, command: &Command, program: &str) -> Failure {
    let cwd = String::from_utf8_lossy(command.cwd);
    let (code, message) = match (stage, errno) {
        (Stage::Exec, libc::ENOENT | libc::ENOTDIR) => ("not_found", format!("command not found: {}", program)),
        (Stage::Exec, libc::EACCES) => ("permission_denied", format!("command is not executable: {}", program)),
        (Stage::Exec, libc::E2BIG) => ("invalid", format!("argv and env are too large for the kernel: {}", program)),
        (Stage::Cwd, libc::ENOENT) => ("not_found", format!("working directory does not exist: {}", cwd)),
        (Stage::Cwd, libc::ENOTDIR) => ("not_a_directory", format!("working directory is not a directory: {}", cwd)),
        (Stage::Cwd, _) => return Failure::from_errno(errno, format!("cannot enter the working directory {}", cwd)),
        (Stage::User, libc::EPERM | libc::EINVAL) => {
            ("permission_denied", format!("this sandbox cannot run processes as user {}", command.user.name))
        }
        _ => return Failure::from_errno(errno, format!("cannot start {}", program)),
    };
    Failure { errno, ..Failure::new(code, message) }
}

fn candidates(program: &[u8], env: &[Vec<u8>]) -> Vec<Vec<u8>> {
    if program.contains(&b'/') {
        return vec![program.to_vec()];
    }
    let path = env.iter().find_map(|entry| entry.strip_prefix(b"PATH=")).unwrap_or(b"/usr/local/bin:/usr/bin:/bin");
    let directories =
        path.split(|byte| *byte == b':').map(|directory| if directory.is_empty() { b"." } else { directory });
    directories.map(|directory| [directory, b"/", program].concat()).collect()
}

fn pointers<'a>(strings: impl Iterator<Item = &'a CString>) -> Vec<*const c_char> {
    strings.map(|string| string.as_ptr()).chain([null()]).collect()
}

fn clone_and_wait(child: &mut Child) -> Result<i32, Errno> {
    let mut stack = vec![0u8; CHILD_STACK];
    let top = (stack.as_mut_ptr() as usize + CHILD_STACK) & !15;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    check(unsafe { libc::clone(run_child, top as *mut c_void, flags, child as *mut Child as *mut c_void) })
}

extern "C" fn run_child(argument: *mut c_void) -> c_int {
    let child = unsafe { &mut *(argument as *mut Child) };
    let (stage, errno) = unsafe { become_command(child) };
    child.failed = Some((stage, errno));
    unsafe { libc::_exit(127) }
}

/// Returns only if it failed.
unsafe fn become_command(child: &mut Child) -> (Stage, Errno) {
    libc::setsid();
    libc::umask(0o022);
    libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    let none = libc::sigset_t::default();
    libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut());
    raise_oom_score();
    for (target, source) in child.stdio.iter().enumerate() {
        if libc::dup2(*source, target as c_int) < 0 {
            return (Stage::Stdio, errno());
        }
    }
    if child.controlling_terminal && libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
        return (Stage::Stdio, errno());
    }
    match child.link {
        Some(link) if libc::dup2(link, 3) < 0 => return (Stage::Stdio, errno()),
        Some(_) => close_from(4),
        None => close_from(3),
    }
    if let Some(user) = child.identity {
        if let Err(errno) = set_identity(user, child.sets_groups) {
            return (Stage::User, errno);
        }
    }
    if libc::chdir(child.cwd) < 0 {
        let refused = errno();
        if !child.cwd_is_optional || libc::chdir(b"/\0".as_ptr().cast()) < 0 {
            return (Stage::Cwd, refused);
        }
    }
    (Stage::Exec, execute(child))
}

unsafe fn raise_oom_score() {
    let file = libc::open(b"/proc/self/oom_score_adj\0".as_ptr().cast(), libc::O_WRONLY | libc::O_CLOEXEC, 0);
    if file >= 0 {
        libc::write(file, CHILD_OOM_SCORE.as_ptr().cast(), CHILD_OOM_SCORE.len());
        libc::close(file);
    }
}

/// Raw calls: the C library's would signal the threads of the agent, whose memory this child shares.
unsafe fn set_identity(user: &User, sets_groups: bool) -> Result<(), Errno> {
    if sets_groups {
        set_thread_groups(&user.groups)?;
    }
    become_user(user)
}

unsafe fn execute(child: &mut Child) -> Errno {
    let mut refused = libc::ENOENT;
    for candidate in child.candidates.iter().filter(|candidate| !candidate.is_null()) {
        libc::execve(*candidate, child.argv.as_ptr(), child.env.as_ptr());
        match errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => refused = libc::EACCES,
            libc::ENOEXEC => {
                if let Some(script) = child.script.get_mut(1) {
                    *script = *candidate;
                }
                libc::execve(b"/bin/sh\0".as_ptr().cast(), child.script.as_ptr(), child.env.as_ptr());
                return errno();
            }
            other => return other,
        }
    }
    refused
}
