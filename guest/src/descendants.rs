use crate::libc;
use crate::syscalls::{kill, reap};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// Kills and reaps everything below this process, which must be a subreaper: what loses its parent comes to us.
pub fn kill_descendants() {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let children = children();
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

/// All our threads' children: what loses its parent is given to any of them.
fn children() -> Vec<i32> {
    let mut found = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        match std::fs::read_to_string(thread.path().join("children")) {
            Ok(pids) => found.extend(pids.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            Err(_) => return children_by_search(std::process::id()),
        }
    }
    found
}

/// Where the kernel keeps no lists of children (CONFIG_PROC_CHILDREN).
fn children_by_search(parent: u32) -> Vec<i32> {
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
