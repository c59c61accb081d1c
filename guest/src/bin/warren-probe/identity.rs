use crate::answer::{Answer, Attempt};
use crate::system::{self, c_string, check, errno_of, PR_CAPBSET_READ};
use std::fs;

/// Open if this process has it, or a program with file capabilities could get it.
pub fn capability(number: i64) -> Attempt {
    let effective = u64::from_str_radix(&status_field("/proc/self/status", "CapEff")?, 16).unwrap_or(u64::MAX);
    let bounding = check(unsafe { system::prctl(PR_CAPBSET_READ, number, 0, 0, 0) })?;
    let has = effective & (1 << number) != 0;
    Ok(Answer::when(
        has || bounding == 1,
        format!("effective: {}, in the bounding set: {}", yes(has), yes(bounding == 1)),
    ))
}

pub fn become_root() -> Attempt {
    let user = check(unsafe { system::setuid(0) });
    let group = check(unsafe { system::setgid(0) });
    Ok(Answer::of(user.or(group)))
}

/// For a program that belongs to root and is marked setuid.
pub fn raised_by_file() -> Attempt {
    let (real, effective) = unsafe { (system::getuid(), system::geteuid()) };
    Ok(Answer::when(real != effective, format!("uid {}, effective {}", real, effective)))
}

pub fn lacks_no_new_privileges() -> Attempt {
    let value = status_field("/proc/self/status", "NoNewPrivs")?;
    Ok(Answer::when(value != "1", format!("NoNewPrivs {}", value)))
}

/// Open if a thread of any process that can be seen runs without a filter of system calls.
pub fn unfiltered_threads() -> Attempt {
    let mut threads = 0;
    for process in fs::read_dir("/proc").map_err(|error| errno_of(&error))?.flatten() {
        for task in fs::read_dir(process.path().join("task")).into_iter().flatten().flatten() {
            let path = task.path().join("status");
            match status_field(&path.to_string_lossy(), "Seccomp") {
                Ok(mode) if mode != "2" => return Ok(Answer::open(format!("{} has mode {}", path.display(), mode))),
                Ok(_) => threads += 1,
                Err(_) => {} // it ended in the meantime
            }
        }
    }
    Ok(Answer::closed(format!("all {} threads are filtered", threads)))
}

/// Marks a file so that whoever runs it gets CAP_NET_RAW.
pub fn give_capability(path: &str) -> Attempt {
    fs::write(path, b"").map_err(|error| errno_of(&error))?;
    let (revision, effective, permitted) = (0x0200_0000u32, 1u32, 1u32 << 13);
    let value: Vec<u8> =
        [revision | effective, permitted, 0, 0, 0].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    let name = c_string("security.capability");
    let set = unsafe {
        system::setxattr(c_string(path).as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
    };
    let answer = Answer::of(check(set));
    let _ = fs::remove_file(path);
    Ok(answer)
}

fn status_field(path: &str, name: &str) -> Result<String, system::Errno> {
    let text = fs::read_to_string(path).map_err(|error| errno_of(&error))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(|value| value.trim().to_string()).ok_or(system::EINVAL)
}

fn yes(value: bool) -> &'static str {
    if value {
        "yes"
    } else {
        "no"
    }
}
