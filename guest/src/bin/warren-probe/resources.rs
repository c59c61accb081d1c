//! Takes so much of something and no more. Open if all of it was there: a limit below it was not kept.

use crate::answer::{Answer, Attempt};
use crate::system::{self, errno_of, in_child, rlimit, PR_SET_PDEATHSIG, SIGKILL};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

const MEBIBYTE: usize = 1 << 20;
const MCL_CURRENT: i32 = 1;
const RLIMIT_CORE: i32 = 4;

pub fn fork(count: usize) -> Attempt {
    let mut children = Vec::new();
    while children.len() < count {
        match unsafe { system::fork() } {
            0 => unsafe {
                system::prctl(PR_SET_PDEATHSIG, SIGKILL as i64);
                loop {
                    system::pause();
                }
            },
            child if child > 0 => children.push(child),
            _ => break,
        }
    }
    for child in &children {
        unsafe { system::kill(*child, SIGKILL) };
    }
    let mut status = 0;
    for child in &children {
        unsafe { system::waitpid(*child, &mut status, 0) };
    }
    Ok(of(children.len(), count, "processes"))
}

pub fn threads(count: usize) -> Attempt {
    let mut started = 0;
    while started < count {
        let thread = std::thread::Builder::new().stack_size(64 * 1024);
        if thread.spawn(|| std::thread::sleep(Duration::from_secs(60))).is_err() {
            break;
        }
        started += 1;
    }
    Ok(of(started, count, "threads"))
}

/// In a child, so that somebody is left to tell that it was killed.
pub fn memory(mebibytes: usize) -> Attempt {
    let status = in_child(|| {
        let mut held = Vec::new();
        for _ in 0..mebibytes {
            held.push(touched());
        }
        i32::from(held.len() != mebibytes)
    })?;
    let size = format!("{} MiB", mebibytes);
    Ok(if status == 0 { Answer::open(format!("took {}", size)) } else { Answer::closed(format!("ended before {}", size)) })
}

/// Memory that cannot be swapped out.
pub fn lock_memory(mebibytes: usize) -> Attempt {
    let status = in_child(|| {
        let mut held = Vec::new();
        for _ in 0..mebibytes {
            held.push(touched());
        }
        unsafe { system::mlockall(MCL_CURRENT) }
    })?;
    Ok(Answer::when(status == 0, if status == 0 { "locked" } else { "not locked" }))
}

pub fn fill(path: &str, mebibytes: usize) -> Attempt {
    let mut file = File::create(path).map_err(|error| errno_of(&error))?;
    let block: Vec<u8> = (0..MEBIBYTE).map(|at| (at % 251) as u8).collect();
    let mut written = 0;
    while written < mebibytes && file.write_all(&block).is_ok() {
        written += 1;
    }
    let kept = file.sync_all().is_ok();
    drop(file);
    let _ = fs::remove_file(path);
    Ok(Answer::when(kept && written == mebibytes, format!("wrote {} of {} MiB", written, mebibytes)))
}

pub fn fill_names(folder: &str, count: usize) -> Attempt {
    let folder = Path::new(folder).join("warren-probe-names");
    fs::create_dir_all(&folder).map_err(|error| errno_of(&error))?;
    let mut made = 0;
    while made < count && File::create(folder.join(made.to_string())).is_ok() {
        made += 1;
    }
    let _ = fs::remove_dir_all(&folder);
    Ok(of(made, count, "files"))
}

/// Folders inside each other, deeper than a path can say. They stay.
pub fn deep(folder: &str, depth: usize) -> Attempt {
    let name = "d".repeat(64);
    std::env::set_current_dir(folder).map_err(|error| errno_of(&error))?;
    for _ in 0..depth {
        fs::create_dir(&name).map_err(|error| errno_of(&error))?;
        std::env::set_current_dir(&name).map_err(|error| errno_of(&error))?;
    }
    Ok(Answer::open(format!("{} deep", depth)))
}

pub fn files(count: usize) -> Attempt {
    let mut opened = Vec::new();
    while opened.len() < count {
        match File::open("/dev/null") {
            Ok(file) => opened.push(file),
            Err(_) => break,
        }
    }
    Ok(of(opened.len(), count, "open files"))
}

/// Children of children, left to whoever collects orphans.
pub fn dead_children(count: usize) -> Attempt {
    let mut left = 0;
    for _ in 0..count {
        let status = in_child(|| match unsafe { system::fork() } {
            0 => 0,
            child => i32::from(child < 0),
        })?;
        left += usize::from(status == 0);
    }
    Ok(Answer::when(left == count, format!("left {} of {} children", left, count)))
}

/// Open if the threads together got more than `percent` of one processor.
pub fn spin(threads: usize, milliseconds: u64, percent: u64) -> Attempt {
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let spinning: Vec<_> = (0..threads)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || while !stop.load(Ordering::Relaxed) {})
        })
        .collect();
    std::thread::sleep(Duration::from_millis(milliseconds));
    stop.store(true, Ordering::Relaxed);
    spinning.into_iter().for_each(|thread| drop(thread.join()));
    let wall = started.elapsed().as_millis() as u64;
    let used = processor_time_ms() * 100 / wall.max(1);
    Ok(Answer::when(used > percent, format!("{} % of a processor", used)))
}

/// Asks for more of the processor than others get.
pub fn priority() -> Attempt {
    // setpriority of this process to -20.
    system::call(system::by_machine(141, 140), [0, 0, -20, 0, 0, 0])?;
    Ok(Answer::open("runs before everybody else"))
}

/// Open if a crash leaves the memory of the process in a file here.
pub fn dump_core(folder: &str) -> Attempt {
    let folder = Path::new(folder).join("warren-probe-core");
    fs::create_dir_all(&folder).map_err(|error| errno_of(&error))?;
    let unlimited = rlimit { current: u64::MAX, most: u64::MAX };
    let status = in_child(|| {
        let _ = std::env::set_current_dir(&folder);
        unsafe {
            system::setrlimit(RLIMIT_CORE, &unlimited);
            system::abort()
        }
    })?;
    let _ = fs::remove_dir_all(&folder);
    let dumped = status & 0x80 != 0;
    Ok(Answer::when(dumped, if dumped { "the kernel wrote a core" } else { "no core was written" }))
}

fn touched() -> Vec<u8> {
    let mut block = vec![0u8; MEBIBYTE];
    for page in block.chunks_mut(4096) {
        // Volatile, so that it is not left out for want of a reader.
        unsafe { std::ptr::write_volatile(&mut page[0], 1) };
    }
    block
}

fn processor_time_ms() -> u64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    // utime and stime, in hundredths of a second.
    [11, 12].iter().filter_map(|field| fields.get(*field)?.parse::<u64>().ok()).sum::<u64>() * 10
}

fn of(got: usize, wanted: usize, what: &str) -> Answer {
    Answer::when(got == wanted, format!("got {} of {} {}", got, wanted, what))
}
