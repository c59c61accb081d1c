//! The keeper: one small process for each sandbox, outside it. Owns its disk, parents its runtime, and outlives the platform,
//! except while it holds a prepared start back: then it goes with whoever prepared it.

mod console;
pub mod disk;
mod layers;
pub mod loop_device;
mod options;
mod records;
pub mod report;
mod runtime;
pub mod skeleton;
mod start;
mod supervise;
mod volume;
mod watchers;
mod write_limit;

use crate::libc;
use crate::syscalls::{close_from, set_signal_action};
use options::Options;

/// `keep [options] -- RUNTIME ARGV…`. Reports the start in one line on stdout, then stays until the sandbox has ended.
pub fn main(arguments: &[String]) -> i32 {
    let options = match Options::parse(arguments) {
        Ok(options) => options,
        Err(error) => return fail("", &StartFailure::from(error)),
    };
    detach_from_platform();
    match start::start(&options) {
        Ok(keeper) => supervise::supervise(keeper),
        Err(failure) => fail(options.id(), &failure),
    }
}

/// Why no sandbox runs; what was begun has been undone.
pub struct StartFailure {
    pub error: String,
    /// The end of what the runtime said.
    pub stderr: String,
}

impl From<String> for StartFailure {
    fn from(error: String) -> StartFailure {
        StartFailure { error, stderr: String::new() }
    }
}

fn fail(id: &str, failure: &StartFailure) -> i32 {
    report::failure(id, failure);
    1
}

fn detach_from_platform() {
    close_from(3);
    unsafe {
        libc::setsid();
        libc::umask(0o077);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 * 1024);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 * 1024);
    }
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE] {
        set_signal_action(signal, libc::SIG_IGN);
    }
    crate::syscalls::become_subreaper();
}
