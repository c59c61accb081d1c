use super::connection::{Connection, Lost};
use super::{attach, configure, dial, exec, files, logs, metrics, ports, suspend, watch, Agent};
use crate::failure::{Failure, Outcome};
use crate::frames::{kind, FieldWriter, Fields, Frame};
use crate::libc;
use crate::syscalls::kill;

/// What a request leaves of the thread that served it.
pub enum Thread {
    Reusable,
    /// It acts as another user now.
    Spent,
}

/// Answers the one request of `connection`.
pub fn serve(agent: &'static Agent, mut connection: Connection) -> Thread {
    match first_frame(&mut connection) {
        None => Thread::Reusable,
        Some(frame) => {
            let request = frame.kind;
            let _ = dispatch(agent, connection, frame);
            match request {
                kind::READ..=kind::SYMLINK => Thread::Spent,
                _ => Thread::Reusable,
            }
        }
    }
}

/// For when no thread can be had: what takes no time is done, the rest refused.
pub fn serve_without_thread(agent: &'static Agent, mut connection: Connection) {
    if let Some(frame) = first_frame(&mut connection) {
        let _ = match frame.kind {
            kind::PING | kind::SIGNAL | kind::PROCESSES | kind::METRICS => dispatch(agent, connection, frame),
            _ => connection.fail(&Failure::new("limit", "process limit of the sandbox reached")),
        };
    }
}

fn first_frame(connection: &mut Connection) -> Option<Frame> {
    match connection.receive() {
        Ok(frame) => frame,
        Err(malformed) => {
            let _ = connection.fail(&malformed);
            None
        }
    }
}

fn dispatch(agent: &'static Agent, connection: Connection, frame: Frame) -> Result<(), Lost> {
    let fields = match Fields::parse(&frame.payload) {
        Ok(fields) => fields,
        Err(malformed) => return connection.fail(&malformed.into()),
    };
    match frame.kind {
        kind::PING => connection.ok(&ping(agent)),
        kind::EXEC => exec::exec(agent, connection, &fields),
        kind::ATTACH => attach::attach(agent, connection, &fields),
        kind::PROCESSES => processes(agent, &connection),
        kind::SIGNAL => answer(&connection, signal(agent, &fields)),
        kind::LOGS => logs::logs(agent, &connection, &fields),
        kind::READ..=kind::XATTR | kind::SYMLINK => files::serve(connection, frame.kind, &fields),
        kind::WATCH => watch::watch(connection, &fields),
        kind::DIAL => dial::dial(connection, &fields),
        kind::LINK => agent.links.keep(connection, &fields),
        kind::PORTS => ports::ports(&connection),
        kind::METRICS => connection.ok(&metrics::metrics(agent)),
        kind::ENVIRONMENT => connection.ok(&environment(agent)),
        kind::CONFIGURE => answer(&connection, configure::configure(agent, &fields)),
        kind::FLUSH => {
            unsafe { libc::sync() };
            connection.ok(&[])
        }
        kind::SUSPEND => suspend::suspend(agent, connection, &fields),
        other => connection.fail(&Failure::new("unsupported", format!("unknown request kind {:#04x}", other))),
    }
}

/// OK with the payload, or ERROR.
pub fn answer(connection: &Connection, outcome: Outcome<Vec<u8>>) -> Result<(), Lost> {
    match outcome {
        Ok(payload) => connection.ok(&payload),
        Err(failure) => connection.fail(&failure),
    }
}

fn ping(agent: &Agent) -> Vec<u8> {
    FieldWriter::new().text(1, 1).text(2, agent.started.elapsed().as_millis()).text(3, std::process::id()).done()
}

fn environment(agent: &Agent) -> Vec<u8> {
    FieldWriter::new().list(1, agent.env().iter().map(Vec::as_slice)).done()
}

fn processes(agent: &Agent, connection: &Connection) -> Result<(), Lost> {
    for process in agent.processes.all() {
        connection.send(kind::ENTRY, &process.entry())?;
    }
    connection.send(kind::END, &[])
}

fn signal(agent: &Agent, fields: &Fields) -> Outcome<Vec<u8>> {
    let id = fields.get(1).unwrap_or(b"");
    let number = fields.number(2)?.map_or(-1, |number| number.min(1000) as i32);
    let group = fields.flag(3);
    match id.strip_prefix(b"pid:") {
        Some(pid) => signal_pid(pid, number, group)?,
        None => agent.processes.find(id)?.signal(number, group)?,
    }
    Ok(Vec::new())
}

fn signal_pid(pid: &[u8], signal: i32, group: bool) -> Outcome<()> {
    let text = String::from_utf8_lossy(pid);
    let number = text.parse::<i32>().unwrap_or(0);
    if number < 1 {
        return Err(Failure::new("invalid", format!("not a pid: {}", text)));
    }
    if number == 1 || number as u32 == std::process::id() {
        return Err(Failure::new("permission_denied", format!("pid {} is the sandbox's agent", number)));
    }
    let target = if group { -number } else { number };
    kill(target, signal).map_err(|errno| Failure::from_errno(errno, format!("cannot signal pid {}", number)))
}
