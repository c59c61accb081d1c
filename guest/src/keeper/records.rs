//! What the keeper tells: the start report on stdout, and the files a restarted platform reads.

use super::options::Disk;
use super::StartFailure;
use crate::descendants::stat_field;
use crate::syscalls::{unix_ms, Ending};
use std::io::Write;

const START_TIME: usize = 22;

/// Starts of processes, to tell them from later ones with the same pid.
pub fn start_time(pid: i32) -> Option<u64> {
    stat_field(pid, START_TIME)
}

pub fn report_success(pid: i32, start_time: u64, disk: Disk) {
    report(&format!(r#"{{"ok":true,"pid":{},"startTime":"{}","disk":"{}"}}"#, pid, start_time, disk.name()));
}

pub fn report_failure(failure: &StartFailure) {
    report(&format!(r#"{{"ok":false,"error":{},"stderr":{}}}"#, quoted(&failure.error), quoted(&failure.stderr)));
}

fn report(line: &str) {
    let mut stdout = std::io::stdout();
    let _ = stdout.write_all(format!("{}\n", line).as_bytes()).and_then(|()| stdout.flush());
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

fn quoted(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\t' => json.push_str("\\t"),
            control if control < ' ' => json.push_str(&format!("\\u{:04x}", control as u32)),
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(quoted("a\"b\\c\nd\u{1}é"), r#""a\"b\\c\nd\u0001é""#);
    }
}
