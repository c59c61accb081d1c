use super::connection::{Connection, Lost};
use super::process::{Process, State};
use super::pty::open_pty;
use super::pump::Pump;
use super::spawn::{spawn, Command};
use super::users::{find_user, own_uid, User};
use super::view::{From, View};
use super::Agent;
use crate::failure::{Failure, Outcome};
use crate::frames::{kind, FieldWriter, Fields};
use crate::libc;
use crate::syscalls::{c_string, open, pipe, set_nonblocking, unix_ms, Errno, Waker};
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const DEFAULT_BUFFER: u64 = 1 << 20;
const LARGEST_BUFFER: u64 = 16 << 20;
/// First a folder of ours, whose `sudo` works where set-user-id programs do not.
const SEARCH_PATH: &str = "/.warren/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

struct Request {
    argv: Vec<Vec<u8>>,
    env: Vec<Vec<u8>>,
    user: User,
    cwd: Vec<u8>,
    cwd_is_optional: bool,
    pty: Option<(u64, u64)>,
    timeout: Option<Duration>,
    stdin: bool,
    tag: Option<Vec<u8>>,
    link: Option<OwnedFd>,
    buffer: usize,
    trial: bool,
}

/// Starts a process and stays with it as its pump, with or without the host.
pub fn exec(agent: &'static Agent, connection: Connection, fields: &Fields) -> Result<(), Lost> {
    let started = Request::parse(agent, fields).and_then(|request| start(agent, request));
    let mut pump = match started {
        Ok(pump) => pump,
        Err(failure) => return connection.fail(&failure),
    };
    let process = pump.process.clone();
    let reply = FieldWriter::new().text(1, process.id).text(2, process.pid).done();
    if connection.send(kind::STARTED, &reply).is_ok() {
        let from = From { cursors: Some([0, 0]), waker: pump.waker.clone() };
        pump.view = Some(View::open(connection, process, from));
    }
    pump.run();
    Ok(())
}

impl Request {
    fn parse(agent: &Agent, fields: &Fields) -> Outcome<Request> {
        let user = find_user(fields.get(4))?;
        let pty = match fields.flag(5) {
            true => Some((fields.number(6)?.unwrap_or(80), fields.number(7)?.unwrap_or(24))),
            false => None,
        };
        let cwd = fields.get(3).filter(|cwd| !cwd.is_empty());
        let mut env = default_env(&user, pty.is_some());
        if !fields.flag(12) {
            overlay(&mut env, agent.env().iter().map(Vec::as_slice))?;
        }
        overlay(&mut env, fields.all(2))?;
        default_encoding(&mut env);
        Ok(Request {
            argv: fields.all(1).map(<[u8]>::to_vec).collect(),
            env,
            cwd: cwd.map_or_else(|| user.home.clone().into_bytes(), |cwd| user.path(cwd)),
            cwd_is_optional: cwd.is_none(),
            user,
            pty,
            timeout: fields.number(8)?.filter(|ms| *ms > 0).map(Duration::from_millis),
            stdin: fields.flag(9),
            tag: fields.get(10).map(<[u8]>::to_vec),
            link: fields.get(13).map(|name| agent.links.take(name)).transpose()?,
            trial: fields.flag(14),
            buffer: fields.number(11)?.unwrap_or(DEFAULT_BUFFER).clamp(1, LARGEST_BUFFER) as usize,
        })
    }
}

fn start(agent: &'static Agent, request: Request) -> Outcome<Pump> {
    let ends = Ends::open(&request)?;
    let waker = Arc::new(Waker::new().map_err(|errno| Failure::from_errno(errno, "cannot start a process"))?);
    let started = Instant::now();
    let command = Command {
        argv: &request.argv,
        env: &request.env,
        user: &request.user,
        cwd: &request.cwd,
        cwd_is_optional: request.cwd_is_optional,
        stdio: [ends.child[0].as_raw_fd(), ends.child[1].as_raw_fd(), ends.child[2].as_raw_fd()],
        link: request.link.as_ref().map(AsRawFd::as_raw_fd),
        controlling_terminal: request.pty.is_some(),
    };
    let Request { ref argv, ref user, ref cwd, ref tag, .. } = request;
    let process = agent.processes.spawn(
        request.trial,
        || spawn(&command),
        |id, pid| Process {
            id,
            pid,
            argv: argv.clone(),
            user: user.name.clone(),
            cwd: cwd.clone(),
            tag: tag.clone(),
            pty: request.pty.is_some(),
            trial: request.trial,
            started,
            started_ms: unix_ms(),
            state: Mutex::new(State::new(waker.clone(), request.buffer, ends.stdin.is_some(), ends.terminal)),
        },
    )?;
    if !process.trial {
        let shown: Vec<&[u8]> = process.shown_argv().collect();
        agent.logs.push(process.id, "event", &[b"started: ", &shown.join(&b' ')[..]].concat());
    }
    let deadline = request.timeout.and_then(|timeout| started.checked_add(timeout));
    Ok(Pump { agent, process, waker, output: ends.output, stdin: ends.stdin, view: None, deadline })
}

/// Both sides of what connects a process to its pump.
struct Ends {
    child: [OwnedFd; 3],
    output: [Option<OwnedFd>; 2],
    stdin: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
}

impl Ends {
    fn open(request: &Request) -> Outcome<Ends> {
        match request.pty {
            Some((columns, rows)) => Ends::terminal(&request.user, columns, rows),
            None => Ends::pipes(request).map_err(cannot_connect),
        }
    }

    fn terminal(user: &User, columns: u64, rows: u64) -> Outcome<Ends> {
        let pty = open_pty(user, columns, rows)?;
        let copy = |fd: &OwnedFd| fd.try_clone().map_err(|error| cannot_connect(error.raw_os_error().unwrap_or(0)));
        set_nonblocking(pty.master.as_raw_fd()).map_err(cannot_connect)?;
        Ok(Ends {
            child: [copy(&pty.slave)?, copy(&pty.slave)?, pty.slave],
            stdin: Some(copy(&pty.master)?),
            terminal: Some(copy(&pty.master)?),
            output: [Some(pty.master), None],
        })
    }

    fn pipes(request: &Request) -> Result<Ends, Errno> {
        let (stdout, stdout_child) = pipe()?;
        let (stderr, stderr_child) = pipe()?;
        let (stdin_child, stdin) = match request.stdin {
            true => pipe().map(|(read_end, write_end)| (read_end, Some(write_end)))?,
            false => (open(&c_string(b"/dev/null")?, libc::O_RDWR, 0)?, None),
        };
        for ours in [Some(&stdout), Some(&stderr), stdin.as_ref()].iter().flatten() {
            set_nonblocking(ours.as_raw_fd())?;
        }
        if own_uid() == 0 {
            // So that the process may open /dev/stdout and its kin.
            for theirs in [Some(&stdout_child), Some(&stderr_child), stdin.as_ref()].iter().flatten() {
                unsafe { libc::fchown(theirs.as_raw_fd(), request.user.uid, request.user.gid) };
            }
        }
        let child = [stdin_child, stdout_child, stderr_child];
        Ok(Ends { child, output: [Some(stdout), Some(stderr)], stdin, terminal: None })
    }
}

fn cannot_connect(errno: Errno) -> Failure {
    Failure::from_errno(errno, "cannot connect to a new process")
}

fn default_env(user: &User, terminal: bool) -> Vec<Vec<u8>> {
    let mut env = vec![
        format!("HOME={}", user.home),
        format!("USER={}", user.name),
        format!("LOGNAME={}", user.name),
        format!("PATH={}", SEARCH_PATH),
    ];
    if terminal {
        env.push("TERM=xterm-256color".to_string());
    }
    env.into_iter().map(String::into_bytes).collect()
}

/// UTF-8, unless something else is asked for. The other categories of C.UTF-8 are those of C, and a program that asked for them
/// would read a dozen files to learn that.
fn default_encoding(env: &mut Vec<Vec<u8>>) {
    let is_set = |entry: &Vec<u8>| [&b"LANG="[..], b"LC_ALL=", b"LC_CTYPE="].iter().any(|name| entry.starts_with(name));
    if !env.iter().any(is_set) {
        env.push(b"LC_CTYPE=C.UTF-8".to_vec());
    }
}

fn overlay<'a>(env: &mut Vec<Vec<u8>>, entries: impl Iterator<Item = &'a [u8]>) -> Outcome<()> {
    for entry in entries {
        let name = match entry.iter().position(|byte| *byte == b'=') {
            Some(length) if length > 0 => &entry[..=length],
            _ => {
                let shown = String::from_utf8_lossy(entry);
                return Err(Failure::new("invalid", format!("an environment entry is NAME=VALUE, not {}", shown)));
            }
        };
        match env.iter_mut().find(|existing| existing.starts_with(name)) {
            Some(existing) => *existing = entry.to_vec(),
            None => env.push(entry.to_vec()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf_8_unless_something_else_is_asked_for() {
        let mut env = vec![b"PATH=/bin".to_vec()];
        default_encoding(&mut env);
        assert_eq!(env.last().unwrap(), b"LC_CTYPE=C.UTF-8");
        for asked in [&b"LANG=de_DE"[..], b"LC_ALL=C", b"LC_CTYPE=C"].iter() {
            let mut env = vec![asked.to_vec()];
            default_encoding(&mut env);
            assert_eq!(env, vec![asked.to_vec()]);
        }
    }

    #[test]
    fn later_environment_entries_win() {
        let mut env = vec![b"PATH=/bin".to_vec(), b"PATHS=x".to_vec()];
        overlay(&mut env, [&b"PATH=/opt"[..], b"NEW=a=b"].into_iter()).unwrap();
        assert_eq!(env, vec![b"PATH=/opt".to_vec(), b"PATHS=x".to_vec(), b"NEW=a=b".to_vec()]);
        assert!(overlay(&mut env, [&b"NAMELESS"[..]].into_iter()).is_err());
        assert!(overlay(&mut env, [&b"=x"[..]].into_iter()).is_err());
    }
}
