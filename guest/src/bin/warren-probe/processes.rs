use crate::answer::{Answer, Attempt};
use crate::paths::contains;
use crate::system::{self, by_machine, call, check, errno_of, is_on_host, Errno, SIGKILL};
use std::fs::{self, OpenOptions};
use std::os::unix::io::AsRawFd;

const RLIMIT_NOFILE: i64 = 7;
const PTRACE_SEIZE: i64 = 0x4206;
const TIOCSPTLCK: u64 = 0x4004_5431;
const TIOCGPTPEER: u64 = 0x5441;
const TIOCSCTTY: u64 = 0x540e;
const TIOCSTI: u64 = 0x5412;

/// Open if this process was given descriptors beyond standard input and output.
pub fn descriptors() -> Attempt {
    let list = fs::read_dir("/proc/self/fd").map_err(|error| errno_of(&error))?;
    let found: Vec<String> = list
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().parse().map_or(true, |number: i32| number > 2))
        .filter_map(|entry| Some(fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        // The one by which this list is read.
        .filter(|target| !target.starts_with("/proc/") || !target.ends_with("/fd"))
        .collect();
    Ok(Answer::when(!found.is_empty(), if found.is_empty() { "none".to_string() } else { found.join(", ") }))
}

/// Open if `mark` stands in the environment of a process that can be seen.
pub fn environment(mark: &str) -> Attempt {
    look_through("environ", mark)
}

/// Open if `mark` stands in the command line of another process.
pub fn find(mark: &str) -> Attempt {
    look_through("cmdline", mark)
}

pub fn signal(pid: i64, mark: &str) -> Attempt {
    Ok(if_it_is(pid, mark, || check(unsafe { system::kill(pid as i32, 0) })))
}

/// Lets go again at once: a tracer's end is the end of its tracing.
pub fn trace(pid: i64, mark: &str) -> Attempt {
    Ok(if_it_is(pid, mark, || call(by_machine(101, 117), [PTRACE_SEIZE, pid, 0, 0, 0, 0])))
}

/// Sets a limit of another process to what it is already.
pub fn lower_limit(pid: i64, mark: &str) -> Attempt {
    Ok(if_it_is(pid, mark, || {
        let mut limit = [0u64; 2];
        let number = by_machine(302, 261);
        call(number, [pid, RLIMIT_NOFILE, 0, limit.as_mut_ptr() as i64, 0, 0])?;
        call(number, [pid, RLIMIT_NOFILE, limit.as_ptr() as i64, 0, 0, 0])
    }))
}

/// SIGKILL to everything that can be signalled, never on the host itself.
pub fn kill_all(host: &str) -> Attempt {
    guard(host)?;
    Ok(Answer::of(check(unsafe { system::kill(-1, SIGKILL) })))
}

pub fn signal_agent(signal: i64, host: &str) -> Attempt {
    guard(host)?;
    Ok(Answer::of(check(unsafe { system::kill(1, signal as i32) })))
}

/// Pushes a character into a terminal of its own. In a child, which the terminal's end takes along.
pub fn type_into_terminal() -> Attempt {
    let status = system::in_child(|| match push_character() {
        Ok(_) => 0,
        Err(errno) => errno,
    })?;
    Ok(Answer::of(if status == 0 { Ok(0) } else { Err((status >> 8) & 0xff) }))
}

fn push_character() -> Result<i64, Errno> {
    let master = OpenOptions::new().read(true).write(true).open("/dev/ptmx").map_err(|error| errno_of(&error))?;
    let unlock = 0i32;
    check(unsafe { system::ioctl(master.as_raw_fd(), TIOCSPTLCK, &unlock) })?;
    let slave = check(unsafe { system::ioctl(master.as_raw_fd(), TIOCGPTPEER, 2) })? as i32;
    let _ = call(by_machine(112, 157), [0; 6]); // setsid
    unsafe { system::ioctl(slave, TIOCSCTTY, 0) };
    let character = b'x';
    let pushed = check(unsafe { system::ioctl(slave, TIOCSTI, &character) });
    std::mem::forget(master);
    pushed
}

fn look_through(file: &str, mark: &str) -> Attempt {
    let own = std::process::id().to_string();
    let mut seen = 0;
    for entry in fs::read_dir("/proc").map_err(|error| errno_of(&error))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == own || !name.chars().all(|digit| digit.is_ascii_digit()) {
            continue;
        }
        seen += 1;
        if fs::read(entry.path().join(file)).map_or(false, |text| contains(&text, mark.as_bytes())) {
            return Ok(Answer::open(format!("found in process {}", name)));
        }
    }
    Ok(Answer::closed(format!("in none of {} processes", seen)))
}

/// The number may be that of another process here; one that says by its command line that it is another does not count.
fn if_it_is(pid: i64, mark: &str, act: impl FnOnce() -> Result<i64, Errno>) -> Answer {
    match fs::read(format!("/proc/{}/cmdline", pid)) {
        Ok(text) if !contains(&text, mark.as_bytes()) => Answer::closed("that number is another process here"),
        _ => Answer::of(act()),
    }
}

fn guard(host: &str) -> Result<(), Errno> {
    if is_on_host(host) {
        Err(system::EPERM)
    } else {
        Ok(())
    }
}
