//! File operations. Each runs on its connection's own thread, acting as the request's user, so that the kernel decides
//! what is allowed.

mod change;
pub mod kept_attributes;
mod list;
mod read;
mod remove;
mod stat;
mod write;
mod xattr;

use super::connection::{Connection, Lost};
use super::requests::answer;
use super::users::{act_as, find_user, User};
use crate::failure::{Failure, Outcome};
use crate::frames::{kind, Fields};
use crate::libc;
use crate::syscalls::c_string;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::AsRawFd;
use std::path::Path;

/// A request's user and its paths made absolute; made only once the thread acts as that user.
pub struct Scope {
    pub user: User,
    /// The agent acts with its own rights, and what it makes is given to the user.
    gives: bool,
    path: Vec<u8>,
}

pub fn serve(connection: Connection, request: u8, fields: &Fields) -> Result<(), Lost> {
    let scope = match Scope::enter(fields) {
        Ok(scope) => scope,
        Err(failure) if request == kind::WRITE => return write::refuse(connection, &failure),
        Err(failure) => return connection.fail(&failure),
    };
    match request {
        kind::READ => read::read(&connection, &scope, fields),
        kind::WRITE => write::write(connection, &scope, fields),
        kind::LIST => list::list(&connection, &scope, fields),
        kind::STAT => answer(&connection, stat::of_request(&scope, fields)),
        kind::MKDIR => answer(&connection, change::mkdir(&scope, fields)),
        kind::MOVE => answer(&connection, change::rename(&scope, fields)),
        kind::REMOVE => answer(&connection, remove::remove(&scope, fields)),
        kind::CHMOD => answer(&connection, change::chmod(&scope, fields)),
        kind::CHOWN => answer(&connection, change::chown(&scope, fields)),
        kind::SYMLINK => answer(&connection, change::symlink(&scope, fields)),
        _ => answer(&connection, xattr::xattr(&scope, fields)),
    }
}

impl Scope {
    pub fn enter(fields: &Fields) -> Outcome<Scope> {
        let user = find_user(fields.get(2))?;
        let path = absolute(&user, fields.get(1))?;
        let gives = fields.flag(8);
        if !gives {
            act_as(&user)?;
        }
        Ok(Scope { user, gives, path })
    }

    pub fn path(&self) -> &Path {
        as_path(&self.path)
    }

    /// Gives a path that this request made to its user. Where the sandbox has but one user it is that user's already.
    fn give(&self, path: &Path) {
        if self.gives {
            let _ = c_string(path.as_os_str().as_bytes())
                .map(|path| unsafe { libc::lchown(path.as_ptr(), self.user.uid, self.user.gid) });
        }
    }

    /// As `give`, for a file that is open, whether or not this request made it.
    fn give_file(&self, file: &File) {
        if self.gives {
            unsafe { libc::fchown(file.as_raw_fd(), self.user.uid, self.user.gid) };
        }
    }
}

/// For requests where tag 1 is not a path of the user.
fn absolute(user: &User, path: Option<&[u8]>) -> Outcome<Vec<u8>> {
    match path {
        None | Some(b"") => Err(Failure::new("invalid", "a path is missing")),
        Some(path) if path.contains(&0) => Err(Failure::new("invalid", "a path contains a NUL byte")),
        Some(path) => Ok(user.path(path)),
    }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn octal(fields: &Fields, tag: u8) -> Outcome<Option<u32>> {
    match fields.get(tag) {
        None => Ok(None),
        Some(_) => {
            let mode =
                fields.text(tag).and_then(|text| u32::from_str_radix(text, 8).ok()).filter(|mode| *mode <= 0o7777);
            mode.map(Some).ok_or_else(|| Failure::new("invalid", "a mode is an octal number up to 7777"))
        }
    }
}
