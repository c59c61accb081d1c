use super::connection::{Connection, Lost};
use super::Agent;
use crate::failure::Failure;
use crate::frames::{kind, Fields};
use crate::libc::{POLLERR, POLLHUP, POLLIN};
use crate::syscalls::{poll, poll_entry, Waker};
use std::sync::Arc;

const BATCH: usize = 64 * 1024;

/// Sends the log after a number, and with `follow` what comes, until the host closes.
pub fn logs(agent: &Agent, connection: &Connection, fields: &Fields) -> Result<(), Lost> {
    let after = match fields.number(1) {
        Ok(after) => after.unwrap_or(0),
        Err(malformed) => return connection.fail(&malformed.into()),
    };
    if !fields.flag(2) {
        send_after(agent, connection, after)?;
        return connection.send(kind::END, &[]);
    }
    match Waker::new() {
        Err(errno) => connection.fail(&Failure::from_errno(errno, "cannot follow the log")),
        Ok(waker) => {
            let waker = Arc::new(waker);
            agent.logs.follow(waker.clone());
            let followed = follow(agent, connection, after, &waker);
            agent.logs.unfollow(&waker);
            followed
        }
    }
}

fn follow(agent: &Agent, connection: &Connection, mut after: u64, waker: &Waker) -> Result<(), Lost> {
    loop {
        after = send_after(agent, connection, after)?;
        let mut entries = [poll_entry(waker.fd(), POLLIN), poll_entry(connection.fd(), 0)];
        poll(&mut entries, -1);
        if entries[1].revents & (POLLHUP | POLLERR) != 0 {
            return Err(Lost);
        }
        waker.clear();
    }
}

fn send_after(agent: &Agent, connection: &Connection, mut after: u64) -> Result<u64, Lost> {
    loop {
        let (last, payloads) = agent.logs.after(after, BATCH);
        if payloads.is_empty() {
            return Ok(after);
        }
        for payload in payloads {
            connection.send(kind::LOG, &payload)?;
        }
        after = last;
    }
}
