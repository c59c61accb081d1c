use crate::frames::{FieldWriter, Malformed};
use crate::libc;
use crate::syscalls::{describe, Errno};

/// Why a request could not be done, in the words the host shows: a code, a sentence, and the kernel's number where it had one.
#[derive(Debug)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    pub errno: Errno,
}

const LONGEST_MESSAGE: usize = 4096;

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into(), errno: 0 }
    }

    /// `what` says what was tried and on what: "cannot read /etc/x".
    pub fn from_errno(errno: Errno, what: impl std::fmt::Display) -> Failure {
        Failure { code: code_of(errno), message: format!("{}: {}", what, describe(errno)), errno }
    }

    pub fn payload(&self) -> Vec<u8> {
        // A path may be as long as a request, and an answer must not be longer.
        let message: String = self.message.chars().take(LONGEST_MESSAGE).collect();
        let fields = FieldWriter::new().text(1, self.code).text(2, message);
        fields.optional(3, (self.errno != 0).then(|| self.errno)).done()
    }
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Failure {
        Failure::new("invalid", format!("malformed request: {}", malformed.0))
    }
}

fn code_of(errno: Errno) -> &'static str {
    match errno {
        libc::ENOENT | libc::ESRCH | libc::ENODATA | libc::ENXIO => "not_found",
        libc::EEXIST => "exists",
        libc::ENOTDIR => "not_a_directory",
        libc::EISDIR => "is_a_directory",
        libc::ENOTEMPTY => "not_empty",
        libc::EACCES | libc::EPERM | libc::EROFS => "permission_denied",
        libc::ENOSPC | libc::EDQUOT | libc::EFBIG => "no_space",
        libc::EINVAL | libc::ENAMETOOLONG | libc::ELOOP | libc::E2BIG | libc::ERANGE | libc::EXDEV => "invalid",
        libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOMEM => "limit",
        libc::ECONNREFUSED | libc::EBUSY | libc::ETXTBSY | libc::ETIMEDOUT => "unavailable",
        libc::EOPNOTSUPP | libc::ENOSYS => "unsupported",
        _ => "internal",
    }
}
