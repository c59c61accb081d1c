use crate::system::Errno;

/// Whether an attempt got through, and by which words of the kernel that is known.
pub struct Answer {
    pub open: bool,
    pub saw: String,
}

/// An error is the kernel's refusal, which an `Answer` may also hold: the one is for `?`, the other for judging.
pub type Attempt = Result<Answer, Errno>;

impl Answer {
    pub fn open(saw: impl Into<String>) -> Answer {
        Answer { open: true, saw: saw.into() }
    }

    pub fn closed(saw: impl Into<String>) -> Answer {
        Answer { open: false, saw: saw.into() }
    }

    pub fn when(open: bool, saw: impl Into<String>) -> Answer {
        Answer { open, saw: saw.into() }
    }

    /// What succeeds is open; any error closes.
    pub fn of(result: Result<i64, Errno>) -> Answer {
        match result {
            Ok(_) => Answer::open("success"),
            Err(errno) => Answer::closed(errno_name(errno)),
        }
    }

    /// For calls that are made with arguments which cannot work: only a refusal of the call itself closes. Any other error
    /// comes from code of the kernel behind the check.
    pub fn reached(result: Result<i64, Errno>) -> Answer {
        match result {
            Ok(_) => Answer::open("success"),
            Err(errno) => Answer::when(!refusals().contains(&errno), errno_name(errno)),
        }
    }

    pub fn json(&self) -> String {
        let mut saw = String::new();
        for character in self.saw.chars().take(300) {
            match character {
                '"' | '\\' => saw.extend(['\\', character]),
                control if control < ' ' => saw.push(' '),
                other => saw.push(other),
            }
        }
        format!(r#"{{"open":{},"saw":"{}"}}"#, self.open, saw)
    }
}

fn refusals() -> [Errno; 3] {
    use crate::system::{EACCES, ENOSYS, EPERM};
    [EPERM, EACCES, ENOSYS]
}

fn errno_name(errno: Errno) -> String {
    let names = [
        (1, "EPERM"),
        (2, "ENOENT"),
        (3, "ESRCH"),
        (6, "ENXIO"),
        (8, "ENOEXEC"),
        (9, "EBADF"),
        (11, "EAGAIN"),
        (12, "ENOMEM"),
        (13, "EACCES"),
        (14, "EFAULT"),
        (16, "EBUSY"),
        (17, "EEXIST"),
        (19, "ENODEV"),
        (20, "ENOTDIR"),
        (21, "EISDIR"),
        (22, "EINVAL"),
        (23, "ENFILE"),
        (24, "EMFILE"),
        (26, "ETXTBSY"),
        (27, "EFBIG"),
        (28, "ENOSPC"),
        (30, "EROFS"),
        (38, "ENOSYS"),
        (40, "ELOOP"),
        (61, "ENODATA"),
        (75, "EOVERFLOW"),
        (92, "ENOPROTOOPT"),
        (93, "EPROTONOSUPPORT"),
        (94, "ESOCKTNOSUPPORT"),
        (95, "EOPNOTSUPP"),
        (97, "EAFNOSUPPORT"),
        (99, "EADDRNOTAVAIL"),
        (101, "ENETUNREACH"),
        (104, "ECONNRESET"),
        (110, "ETIMEDOUT"),
        (111, "ECONNREFUSED"),
        (113, "EHOSTUNREACH"),
        (122, "EDQUOT"),
        (126, "ENOKEY"),
    ];
    match names.iter().find(|(number, _)| *number == errno) {
        Some((_, name)) => name.to_string(),
        None => format!("errno {}", errno),
    }
}
