use super::console::Console;
use super::disk::{mount_disk, MountedDisk};
use super::options::{Disk, Options};
use super::runtime::{start_runtime, AGENT_SOCKET_FD};
use super::watchers::Watchers;
use super::{records, report, StartFailure};
use crate::descendants::{kill_descendants, stat_field};
use crate::libc::{self, POLLIN};
use crate::signals::Signals;
use crate::syscalls::{check, describe, enter_network, pipe, poll, poll_entry, reap, write, Ending};
use std::fs::File;
use std::os::unix::io::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixListener;

const AGENT_SOCKET: &str = "agent.sock";
const KEEPER_SOCKET: &str = "keeper.sock";
const PARENT: usize = 4;

/// A running sandbox in the keeper's hands.
pub struct Keeper {
    pub init: i32,
    /// It may have ended while it was still being started.
    pub early_end: Option<Ending>,
    pub console: Console,
    pub watchers: Watchers,
    pub signals: Signals,
    pub disk: Option<MountedDisk>,
}

/// Makes the disk and the sockets, starts the runtime and reports it. On failure nothing is left but files.
pub fn start(options: &Options) -> Result<Keeper, StartFailure> {
    std::env::set_current_dir(&options.dir).map_err(|error| format!("cannot enter {}: {}", options.dir, error))?;
    protect_from_oom_killer();
    let agent_socket = listen_for_agent()?;
    let mut watchers = Watchers::new(listen(KEEPER_SOCKET)?);
    let signals = Signals::open(&[libc::SIGCHLD, libc::SIGTERM])
        .map_err(|errno| format!("cannot wait for signals: {}", describe(errno)))?;
    if let Some(network) = &options.network {
        enter_network(network)?;
    }
    let mut disk = mount_disk(options)?;

    let allowed = match options.gate {
        None if options.hold && options.begin.is_empty() => hold(options.id(), None, &signals, &mut watchers),
        _ => Ok(()),
    };
    let started = allowed.and_then(|()| run(options, &signals, agent_socket)).and_then(|mut running| {
        if let Some(prepared) = running.prepared.take() {
            let lock = options.begin_lock.as_deref().filter(|_| options.hold).and_then(locked);
            let mut begun = None;
            if lock.is_some() {
                begun = Some(running.begin(options, &prepared)?);
            }
            if options.hold {
                hold(options.id(), Some(&mut running), &signals, &mut watchers)?;
            }
            drop(lock);
            let begun = match begun {
                Some(begun) => begun,
                None => running.begin(options, &prepared)?,
            };
            drop(prepared);
            running = wait_detached(options, begun, running.console, &signals)?;
        }
        if let Some(gate) = running.gate.take() {
            if options.hold {
                hold(options.id(), Some(&mut running), &signals, &mut watchers)?;
            }
            write(gate.as_raw_fd(), b"1").map_err(|errno| format!("cannot open the gate: {}", describe(errno)))?;
        }
        let start_time = records::start_time(running.init).unwrap_or(0);
        records::save_state(running.init, start_time, options.disk)?;
        Ok((running, start_time))
    });
    match started {
        Ok((running, start_time)) => {
            announce(options.id(), running.init, start_time, options.disk);
            let Running { init, early_end, console, .. } = running;
            Ok(Keeper { init, early_end, console, watchers, signals, disk })
        }
        Err(failure) => {
            kill_descendants();
            if let Some(disk) = disk.take() {
                disk.unmount();
            }
            Err(failure)
        }
    }
}

/// Waits for the word to go on; `runtime` is what waits at the gate. Whoever is to give it stays connected: when it goes, so do we. If it goes before it is
/// connected, the launcher, our parent, goes with it.
fn hold(
    id: &str,
    mut runtime: Option<&mut Running>,
    signals: &Signals,
    watchers: &mut Watchers,
) -> Result<(), StartFailure> {
    end_with_parent(true);
    report::prepared(id);
    let mut had_company = false;
    loop {
        if let Some(failure) = runtime.as_mut().and_then(|running| running.failure()) {
            return Err(failure);
        }
        let mut entries = vec![poll_entry(signals.fd(), POLLIN)];
        entries.extend(watchers.poll_entries());
        poll(&mut entries, -1);
        let asked = watchers.step(&entries[1..], r#"{"state":"prepared"}"#);
        if asked.run {
            end_with_parent(false);
            return Ok(());
        }
        had_company |= !watchers.is_empty();
        if asked.kill || signals.take().terminate || (had_company && watchers.is_empty()) {
            return Err(StartFailure::from("given up before it was started".to_string()));
        }
    }
}

struct Running {
    init: i32,
    early_end: Option<Ending>,
    console: Console,
    /// Where it waits for a byte.
    gate: Option<OwnedFd>,
    prepared: Option<Prepared>,
}

impl Running {
    /// What it said, if it has ended.
    fn failure(&mut self) -> Option<StartFailure> {
        reap(self.init)?;
        self.console.drain();
        Some(StartFailure { error: "the runtime ended while it was prepared".to_string(), stderr: self.console.tail() })
    }

    /// Starts the command that lets it begin; answers its pid.
    fn begin(&mut self, options: &Options, prepared: &Prepared) -> Result<i32, StartFailure> {
        let console = prepared.console_of_runtime.try_clone().map_err(|error| error.to_string())?;
        start_runtime(&options.begin, options, console, None).map_err(|error| {
            self.console.drain();
            StartFailure { error, stderr: self.console.tail() }
        })
    }
}

/// A sandbox that is made and does not run yet, with what the command needs that lets it begin.
struct Prepared {
    console_of_runtime: OwnedFd,
    _agent_socket: AgentSocket,
}

/// Locks a file of the runtime's; none where it cannot be.
fn locked(path: &str) -> Option<File> {
    let file = File::open(path).ok()?;
    check(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) }).ok()?;
    Some(file)
}

fn run(options: &Options, signals: &Signals, agent_socket: AgentSocket) -> Result<Running, StartFailure> {
    let (console, console_of_runtime) = pipe().map_err(|errno| format!("cannot make a pipe: {}", describe(errno)))?;
    let mut console = Console::new(console).map_err(describe)?;
    let (gate_of_runtime, gate) = match options.gate {
        None => (None, None),
        Some(_) => {
            let ends = pipe().map_err(|errno| format!("cannot make a pipe: {}", describe(errno)))?;
            (Some(ends.0), Some(ends.1))
        }
    };
    let (agent_socket, prepared) = match options.begin.is_empty() {
        true => (Some(agent_socket), None),
        false => {
            let console_of_runtime = console_of_runtime.try_clone().map_err(|error| error.to_string())?;
            (None, Some(Prepared { console_of_runtime, _agent_socket: agent_socket }))
        }
    };
    let runtime = start_runtime(&options.runtime, options, console_of_runtime, gate_of_runtime).map_err(|error| {
        console.drain();
        StartFailure { error, stderr: console.tail() }
    })?;
    drop(agent_socket);
    let running = match options.detached {
        true => wait_detached(options, runtime, console, signals)?,
        false => Running { init: runtime, early_end: None, console, gate, prepared: None },
    };
    Ok(Running { prepared, ..running })
}

fn wait_detached(options: &Options, runtime: i32, console: Console, signals: &Signals) -> Result<Running, StartFailure> {
    let pid_file = options.pid_file.as_deref().unwrap_or_default();
    Starting { runtime, pid_file, console, ended: Vec::new() }.wait(signals)
}

/// A runtime that ends when the sandbox's first process runs.
struct Starting<'a> {
    runtime: i32,
    pid_file: &'a str,
    console: Console,
    ended: Vec<(i32, Ending)>,
}

impl Starting<'_> {
    fn wait(mut self, signals: &Signals) -> Result<Running, StartFailure> {
        loop {
            let mut entries = [poll_entry(signals.fd(), POLLIN), poll_entry(self.console.fd(), POLLIN)];
            poll(&mut entries, -1);
            if entries[1].revents != 0 {
                self.console.drain();
            }
            if signals.take().terminate {
                return Err(self.failure("stopped while starting".to_string()));
            }
            while let Some(ended) = reap(-1) {
                self.ended.push(ended);
            }
            match self.ended.iter().find(|(pid, _)| *pid == self.runtime).map(|(_, ending)| *ending) {
                None => {}
                Some(Ending::Exited(0)) => return self.adopt_init(),
                Some(Ending::Exited(code)) => {
                    return Err(self.failure(format!("the runtime failed with code {}", code)))
                }
                Some(Ending::Killed(signal)) => {
                    return Err(self.failure(format!("the runtime was killed by signal {}", signal)))
                }
            }
        }
    }

    fn adopt_init(mut self) -> Result<Running, StartFailure> {
        let text = std::fs::read_to_string(self.pid_file).unwrap_or_default();
        let init = match text.trim().parse::<i32>() {
            Ok(init) if init > 1 => init,
            _ => return Err(self.failure(format!("the runtime wrote no pid to {}", self.pid_file))),
        };
        let early_end = self.ended.iter().find(|(pid, _)| *pid == init).map(|(_, ending)| *ending);
        let is_ours = stat_field(init, PARENT) == Some(std::process::id() as u64);
        if early_end.is_none() && !is_ours {
            return Err(self.failure(format!("process {} is not a child of the keeper", init)));
        }
        Ok(Running { init, early_end, console: self.console, gate: None, prepared: None })
    }

    fn failure(&mut self, error: String) -> StartFailure {
        self.console.drain();
        StartFailure { error, stderr: self.console.tail() }
    }
}

/// The listening socket at the descriptor where the runtime expects it. The keeper must not hold it longer than that:
/// connections to a dead agent have to be refused.
struct AgentSocket;

impl Drop for AgentSocket {
    fn drop(&mut self) {
        unsafe { libc::close(AGENT_SOCKET_FD) };
    }
}

/// Must come before anything else is opened, so that its descriptor is free.
fn listen_for_agent() -> Result<AgentSocket, String> {
    let fd = listen(AGENT_SOCKET)?.into_raw_fd();
    if fd != AGENT_SOCKET_FD {
        let moved = unsafe { libc::dup3(fd, AGENT_SOCKET_FD, libc::O_CLOEXEC) };
        unsafe { libc::close(fd) };
        check(moved).map_err(describe)?;
    }
    Ok(AgentSocket)
}

/// By relative name: the full one may be longer than a socket address.
pub fn listen(name: &str) -> Result<UnixListener, String> {
    let _ = std::fs::remove_file(name);
    UnixListener::bind(name).map_err(|error| format!("cannot listen at {}: {}", name, error))
}

fn end_with_parent(on: bool) {
    let signal = if on { libc::SIGTERM } else { 0 };
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal as u64, 0u64, 0u64, 0u64) };
}

fn protect_from_oom_killer() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "-500");
}

fn announce(id: &str, pid: i32, start_time: u64, disk: Disk) {
    report::success(id, pid, start_time, disk);
    let null = unsafe { libc::open(b"/dev/null\0".as_ptr().cast(), libc::O_RDWR | libc::O_CLOEXEC, 0) };
    if null >= 0 {
        for standard in 0..=2 {
            unsafe { libc::dup2(null, standard) };
        }
        unsafe { libc::close(null) };
    }
}
