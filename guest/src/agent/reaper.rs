use super::Agent;
use crate::libc::{self, c_int, POLLERR, POLLIN};
use crate::signals::Signals;
use crate::syscalls::{poll, poll_entry};
use std::os::unix::io::RawFd;

const FORGET_EVERY_MS: c_int = 60_000;

pub fn awaited_signals(is_init: bool) -> &'static [c_int] {
    // As pid 1 without a handler the agent cannot be ended by anyone inside.
    if is_init {
        &[libc::SIGCHLD]
    } else {
        &[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT]
    }
}

/// Reaps children until the agent is told to end, or `keeper` (-1: none) breaks: without its keeper nobody could reach,
/// record or clear up this sandbox any more.
pub fn run(agent: &Agent, signals: &Signals, keeper: RawFd) {
    loop {
        agent.processes.reap_all();
        let remembers = agent.processes.forget_old();
        let mut entries = [poll_entry(signals.fd(), POLLIN), poll_entry(keeper, 0)];
        poll(&mut entries, if remembers { FORGET_EVERY_MS } else { -1 });
        if signals.take().terminate || entries[1].revents & POLLERR != 0 {
            return;
        }
    }
}
