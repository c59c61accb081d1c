//! The monitor of a microVM: the keeper's first process where a container has its init. Runs the virtual machine monitor as
//! its child, carries streams to the agent inside, holds the console, and pauses, resumes and saves the machine.
//! It acts as the sandbox's own host user, in its control groups: whatever the guest sends it, it can cost only itself.

mod api;
mod console;
mod control;
mod filter;
mod firecracker;
mod jail;
mod link;
mod machine;
mod monitor;
mod options;
mod qemu;
mod qmp;
mod ram;
mod serve;
mod snapshot;
mod tap;
mod text;

use crate::libc;
use crate::syscalls::set_signal_action;
use options::Options;

/// `vm [options] -- VMM ARGV…`. Ends with the machine, with its exit code.
pub fn main(arguments: &[String]) -> i32 {
    let started = Options::parse(arguments).and_then(|options| {
        set_signal_action(libc::SIGPIPE, libc::SIG_IGN);
        machine::start(&options)
    });
    match started {
        Ok(machine) => serve::serve(machine),
        Err(error) => {
            eprintln!("warren-guest: {}", error);
            1
        }
    }
}
