use super::super::users::{find_group, find_user};
use super::{absolute, as_path, kept_attributes, octal, stat, Scope};
use crate::failure::{Failure, Outcome};
use crate::frames::Fields;
use crate::libc;
use crate::syscalls::{c_string, check, errno_of};
use crate::tree_copy::copy_tree;
use std::fs::{DirBuilder, Permissions};
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

const PARENT_MODE: u32 = 0o755;

/// Makes a directory; with `parents` those above it, and it may be there already. Field 20 says whether it was made.
pub fn mkdir(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let path = scope.path();
    let mode = octal(fields, 3)?.unwrap_or(PARENT_MODE);
    let parents = fields.flag(4);
    let created = match make_directory(path, mode) {
        Err(error) if error.kind() == ErrorKind::NotFound && parents => {
            make_parents(scope, path)?;
            make_directory(path, mode)
        }
        created => created,
    };
    let created = match created {
        Ok(()) => {
            scope.give(path);
            true
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists && parents && path.is_dir() => false,
        Err(error) => return Err(cannot("make directory", path, &error)),
    };
    let mut answer = stat::of_path(path, true)?;
    answer.extend_from_slice(&[20, 0, 0, 0, 1, if created { b'1' } else { b'0' }]);
    Ok(answer)
}

pub fn make_parents(scope: &Scope, path: &Path) -> Outcome<()> {
    let missing: Vec<&Path> = path.ancestors().skip(1).take_while(|above| above.symlink_metadata().is_err()).collect();
    for above in missing.into_iter().rev().filter(|above| !above.as_os_str().is_empty()) {
        match make_directory(above, PARENT_MODE) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(cannot("make directory", above, &error))
            }
            Ok(()) => scope.give(above),
            Err(_) => {}
        }
    }
    Ok(())
}

fn make_directory(path: &Path, mode: u32) -> Result<(), Error> {
    DirBuilder::new().mode(mode).create(path)
}

/// Renames; between file systems it copies and removes, as mv does.
pub fn rename(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let from = scope.path();
    let to = absolute(&scope.user, fields.get(3))?;
    let to = as_path(&to);
    let kept = kept_attributes::key_of(from);
    let renamed = match std::fs::rename(from, to) {
        Err(error) if errno_of(&error) == libc::EXDEV => copy_across(from, to),
        renamed => renamed,
    };
    renamed.map_err(|error| {
        Failure::from_errno(errno_of(&error), format!("cannot move {} to {}", from.display(), to.display()))
    })?;
    if let Some(kept) = kept {
        kept_attributes::moved(&kept, to);
    }
    stat::of_path(to, false)
}

fn copy_across(from: &Path, to: &Path) -> Result<(), Error> {
    if to.is_dir() {
        return Err(Error::from_raw_os_error(libc::EEXIST));
    }
    let _ = std::fs::remove_file(to);
    copy_tree(from, to, &|_, owner| Some(owner))?;
    if from.symlink_metadata()?.is_dir() {
        super::remove::remove_tree(from).map_err(Error::from_raw_os_error)
    } else {
        std::fs::remove_file(from)
    }
}

pub fn chmod(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let path = scope.path();
    let mode = octal(fields, 3)?.ok_or_else(|| Failure::new("invalid", "a mode is missing"))?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|error| cannot("change mode of", path, &error))?;
    stat::of_path(path, true)
}

/// Gives a path (not what it links to) to another user, group or both.
pub fn chown(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let path = scope.path();
    let owner = fields.get(3).map(|name| find_user_id(name)).transpose()?.unwrap_or(u32::MAX);
    let group = match fields.get(4) {
        Some(name) => find_group(&String::from_utf8_lossy(name))?,
        None => u32::MAX,
    };
    let changed = c_string(path.as_os_str().as_bytes())
        .and_then(|path| check(unsafe { libc::lchown(path.as_ptr(), owner, group) }));
    changed.map_err(|errno| Failure::from_errno(errno, format!("cannot change owner of {}", path.display())))?;
    stat::of_path(path, false)
}

fn find_user_id(name: &[u8]) -> Outcome<u32> {
    match std::str::from_utf8(name).ok().and_then(|text| text.parse().ok()) {
        Some(uid) => Ok(uid),
        None => find_user(Some(name)).map(|user| user.uid),
    }
}

pub fn symlink(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let target = as_path(fields.get(1).unwrap_or(b""));
    let at = absolute(&scope.user, fields.get(3))?;
    let at = as_path(&at);
    std::os::unix::fs::symlink(target, at).map_err(|error| cannot("make link", at, &error))?;
    stat::of_path(at, false)
}

fn cannot(what: &str, path: &Path, error: &Error) -> Failure {
    Failure::from_errno(errno_of(error), format!("cannot {} {}", what, path.display()))
}
