use super::disk::MountedDisk;
use super::{records, report};
use super::start::Keeper;
use crate::descendants::kill_descendants;
use crate::libc::{self, POLLIN};
use crate::syscalls::{kill, poll, poll_entry, reap, Ending};
use std::time::{Duration, Instant};

/// By then the first programs have run, which would feel it.
const SETTLE_AFTER: Duration = Duration::from_secs(3);

/// Stays with the sandbox until its first process ends, then clears up. The order is for those who watch: exit.json is
/// there before they are told, and nothing is left when their connection closes.
pub fn supervise(mut keeper: Keeper) -> i32 {
    let ending = wait_for_end(&mut keeper);
    keeper.console.drain();
    keeper.watchers.tell_all(&records::save_exit(ending));
    kill_descendants();
    if let Some(disk) = keeper.disk.take() {
        disk.unmount();
    }
    0
}

fn wait_for_end(keeper: &mut Keeper) -> Ending {
    let greeting = format!(r#"{{"state":"running","pid":{}}}"#, keeper.init);
    let mut settle_at = Some(Instant::now() + SETTLE_AFTER);
    loop {
        if let Some(ending) = keeper.early_end {
            return ending;
        }
        if settle_at.map_or(false, |time| time <= Instant::now()) {
            settle_at = None;
            if let Some(disk) = &mut keeper.disk {
                disk.settle();
            }
        }
        let mut entries = vec![poll_entry(keeper.signals.fd(), POLLIN), poll_entry(keeper.console.fd(), POLLIN)];
        entries.extend(keeper.watchers.poll_entries());
        poll(&mut entries, settle_at.map_or(-1, milliseconds_until));

        let terminate = keeper.signals.take().terminate;
        while let Some((pid, ending)) = reap(-1) {
            if pid == keeper.init {
                return ending;
            }
        }
        if entries[1].revents != 0 {
            keeper.console.drain();
        }
        let asked = keeper.watchers.step(&entries[2..], &greeting);
        if asked.copy_disk {
            let copied = keeper.disk.as_ref().map_or(Err("there is no disk".to_string()), MountedDisk::copy);
            keeper.watchers.tell_all(&report::copied(copied));
        }
        if asked.kill || terminate {
            // Ours and not reaped yet, so the pid is still its own.
            let _ = kill(keeper.init, libc::SIGKILL);
        }
    }
}

fn milliseconds_until(time: Instant) -> i32 {
    time.saturating_duration_since(Instant::now()).as_millis() as i32 + 1
}
