//! The agent: pid 1 of a sandbox. Serves guest protocol v1, one thread for each connection.

mod as_root;
mod attach;
mod configure;
mod connection;
mod dial;
mod exec;
mod files;
mod host_socket;
mod link;
mod listen;
mod log_ring;
mod logs;
mod metrics;
mod output_ring;
mod ports;
mod process;
mod process_table;
mod pty;
mod pump;
mod reaper;
mod requests;
mod spawn;
mod suspend;
mod users;
mod view;
mod watch;
mod workers;

pub use configure::raise_loopback;
pub use listen::{main, serve_line};

use crate::init::LimitGroup;
use std::sync::Mutex;
use std::time::Instant;

/// What all connections share.
pub struct Agent {
    processes: process_table::ProcessTable,
    logs: log_ring::LogRing,
    default_env: Mutex<Vec<Vec<u8>>>,
    /// In a microVM, where the agent keeps the limits itself.
    limits: Option<LimitGroup>,
    started: Instant,
    workers: workers::Workers,
    links: link::Links,
    /// Where it made its own socket; `None` with an inherited one.
    listens_at: Option<String>,
}

impl Agent {
    fn env(&self) -> Vec<Vec<u8>> {
        self.default_env.lock().map_or_else(|poisoned| poisoned.into_inner().clone(), |env| env.clone())
    }
}
