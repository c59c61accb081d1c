use super::connection::{Connection, Lost};
use super::process::{Process, STDERR, STDOUT};
use super::view::{From, View};
use super::Agent;
use crate::failure::{Failure, Outcome};
use crate::frames::{kind, FieldWriter, Fields};
use crate::libc::POLLIN;
use crate::syscalls::{poll, poll_entry, Waker};
use std::sync::Arc;

/// Watches a process that another connection started, from any offset, also after its end.
pub fn attach(agent: &Agent, connection: Connection, fields: &Fields) -> Result<(), Lost> {
    let found = agent.processes.find(fields.get(1).unwrap_or(b"")).and_then(|process| {
        let cursors = cursors(&process, fields)?;
        let waker = Waker::new().map_err(|errno| Failure::from_errno(errno, "cannot attach"))?;
        Ok((process, From { cursors, waker: Arc::new(waker) }))
    });
    let (process, from) = match found {
        Ok(found) => found,
        Err(failure) => return connection.fail(&failure),
    };
    let oldest = {
        let state = process.lock();
        [state.output[STDOUT].start(), state.output[STDERR].start()]
    };
    let reply =
        FieldWriter::new().text(1, process.id).text(2, process.pid).text(3, oldest[STDOUT]).text(4, oldest[STDERR]);
    connection.send(kind::STARTED, &reply.done())?;

    let waker = from.waker.clone();
    let mut view = View::open(connection, process, from);
    let mut events = 0;
    while view.step(events) {
        let mut entries = [poll_entry(waker.fd(), POLLIN), view.poll_entry()];
        poll(&mut entries, -1);
        if entries[0].revents != 0 {
            waker.clear();
        }
        events = entries[1].revents;
    }
    Ok(())
}

fn cursors(process: &Process, fields: &Fields) -> Outcome<Option<[u64; 2]>> {
    if fields.flag(4) {
        return Ok(None);
    }
    let state = process.lock();
    let cursor = |tag: u8, stream: usize| -> Outcome<u64> {
        let end = state.output[stream].end();
        match fields.get(tag) {
            Some(b"end") => Ok(end),
            _ => Ok(fields.number(tag)?.unwrap_or(0).min(end)),
        }
    };
    Ok(Some([cursor(2, STDOUT)?, cursor(3, STDERR)?]))
}
