use super::{kept_attributes, Scope};
use crate::directory::Directory;
use crate::failure::{Failure, Outcome};
use crate::frames::Fields;
use crate::libc;
use crate::syscalls::{c_string, errno_of, Errno};
use std::ffi::CString;
use std::fs::{remove_dir, remove_file, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::io::{FromRawFd, RawFd};
use std::path::Path;

/// Removes a file, a link, an empty directory; with `recursive` a directory and all that is in it.
pub fn remove(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let path = scope.path();
    let refused = |errno| Failure::from_errno(errno, format!("cannot remove {}", path.display()));
    let metadata = path.symlink_metadata().map_err(|error| refused(errno_of(&error)))?;
    let kept = kept_attributes::key_of(path);
    let removed = match (metadata.is_dir(), fields.flag(3)) {
        (false, _) => remove_file(path).map_err(|error| errno_of(&error)),
        (true, false) => remove_dir(path).map_err(|error| errno_of(&error)),
        (true, true) => remove_tree(path),
    };
    if let (Some(kept), Ok(())) = (kept, &removed) {
        kept_attributes::removed(&kept);
    }
    removed.map(|()| Vec::new()).map_err(refused)
}

/// A directory left for one inside it: its name above, and what it must still be when we come back up.
struct Level {
    name: CString,
    above: (u64, u64),
}

/// Goes down and up by descriptors: any depth, no links followed, and a directory moved away meanwhile is noticed.
pub fn remove_tree(path: &Path) -> Result<(), Errno> {
    let mut levels: Vec<Level> = Vec::new();
    let root = c_string(path.as_os_str().as_bytes())?;
    let mut directory = Directory::open_at(libc::AT_FDCWD, &root)?;
    loop {
        if let Some(name) = remove_files(&mut directory)? {
            let next = Directory::open_at(directory.fd(), &name)?;
            levels.push(Level { name, above: identity(directory.fd())? });
            directory = next;
            continue;
        }
        match levels.pop() {
            None => return remove_dir(path).map_err(|error| errno_of(&error)),
            Some(level) => {
                let above = Directory::open_at(directory.fd(), &c_string(b"..")?)?;
                if identity(above.fd())? != level.above {
                    return Err(libc::EBUSY);
                }
                above.unlink(&level.name, libc::AT_REMOVEDIR)?;
                directory = above;
            }
        }
    }
}

/// Unlinks what is not a directory, up to the first that is one.
fn remove_files(directory: &mut Directory) -> Result<Option<CString>, Errno> {
    while let Some(name) = directory.next() {
        match directory.unlink(&name, 0) {
            Err(libc::EISDIR) => return Ok(Some(name)),
            Err(libc::ENOENT) | Ok(()) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(None)
}

fn identity(fd: RawFd) -> Result<(u64, u64), Errno> {
    let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    let metadata = file.metadata().map_err(|error| errno_of(&error))?;
    Ok((metadata.dev(), metadata.ino()))
}
