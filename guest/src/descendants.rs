use crate::libc;
use crate::syscalls::{kill, reap};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// Kills and reaps everything below this process, which must be a subreaper: what loses its parent comes to us.
pub fn kill_descendants() {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let children = children_of(std::process::id());
        for child in &children {
            let _ = kill(*child, libc::SIGKILL);
        }
        while reap(-1).is_some() {}
        if children.is_empty() || Instant::now() > deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn children_of(parent: u32) -> Vec<i32> {
    let entries = match std::fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(_) => return Vec::new(),
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| stat_field(*pid, 4) == Some(parent as u64)).collect()
}

/// Field `number` of /proc/PID/stat, counted as in proc(5); from 4 on all are numbers.
pub fn stat_field(pid: i32, number: usize) -> Option<u64> {
    let bytes = std::fs::read(format!("/proc/{}/stat", pid)).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    // The name before may itself contain spaces and brackets.
    let (_, after_name) = text.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}
