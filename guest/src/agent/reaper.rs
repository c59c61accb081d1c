use super::Agent;
use crate::libc::{self, c_int};
use std::time::Duration;

/// Signals that the reaper waits for; they must be blocked in every thread.
pub fn awaited_signals(is_init: bool) -> &'static [c_int] {
    // As pid 1 without a handler the agent cannot be ended by anyone inside.
    if is_init {
        &[libc::SIGCHLD]
    } else {
        &[libc::SIGCHLD, libc::SIGTERM, libc::SIGINT]
    }
}

const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Reaps children for ever. Returns when the agent is told to end.
pub fn run(agent: &Agent, awaited: libc::sigset_t) {
    let every = libc::timespec { tv_sec: FORGET_EVERY.as_secs() as i64, tv_nsec: 0 };
    loop {
        agent.processes.reap_all();
        let remembers = agent.processes.forget_old();
        let timeout = if remembers { &every as *const libc::timespec } else { std::ptr::null() };
        let signal = unsafe { libc::sigtimedwait(&awaited, std::ptr::null_mut(), timeout) };
        if signal == libc::SIGTERM || signal == libc::SIGINT {
            return;
        }
    }
}
