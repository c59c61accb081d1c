//! The files of a keeper that a restarted platform reads.

use super::options::Disk;
use crate::descendants::stat_field;
use crate::syscalls::{unix_ms, Ending};

const START_TIME: usize = 22;

/// Starts of processes, to tell them from later ones with the same pid.
pub fn start_time(pid: i32) -> Option<u64> {
    stat_field(pid, START_TIME)
}

pub fn save_state(pid: i32, started: u64, disk: Disk) -> Result<(), String> {
    let keeper = std::process::id() as i32;
    let keeper_started = start_time(keeper).unwrap_or(0);
    save(
        "state.json",
        &format!(
            r#"{{"keeperPid":{},"keeperStartTime":"{}","pid":{},"startTime":"{}","disk":"{}"}}"#,
            keeper,
            keeper_started,
            pid,
            started,
            disk.name()
        ),
    )
}

/// Writes exit.json and returns the line for those who watch.
pub fn save_exit(ending: Ending) -> String {
    let (code, signal) = match ending {
        Ending::Exited(code) => (code.to_string(), "null".to_string()),
        Ending::Killed(signal) => ("null".to_string(), signal.to_string()),
    };
    let fields = format!(r#""exitCode":{},"signal":{},"at":{}"#, code, signal, unix_ms());
    let _ = save("exit.json", &format!("{{{}}}", fields));
    format!(r#"{{"state":"exited",{}}}"#, fields)
}

/// Whoever reads `name` sees the old content or the new, whole.
fn save(name: &str, json: &str) -> Result<(), String> {
    let partial = format!("{}.partial", name);
    let saved = std::fs::write(&partial, format!("{}\n", json)).and_then(|()| std::fs::rename(&partial, name));
    saved.map_err(|error| format!("cannot write {}: {}", name, error))
}
