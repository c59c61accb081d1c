use super::super::users::Names;
use super::Scope;
use crate::failure::{Failure, Outcome};
use crate::frames::{FieldWriter, Fields};
use crate::syscalls::errno_of;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub fn of_request(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    of_path(scope.path(), !fields.flag(3))
}

/// The stat fields of what is at `path`.
pub fn of_path(path: &Path, follow: bool) -> Outcome<Vec<u8>> {
    let metadata = if follow { path.metadata() } else { path.symlink_metadata() };
    match metadata {
        Ok(metadata) => Ok(stat_fields(path, &metadata, &Names::read()).done()),
        Err(error) => Err(Failure::from_errno(errno_of(&error), format!("cannot stat {}", path.display()))),
    }
}

pub fn stat_fields(path: &Path, metadata: &Metadata, names: &Names) -> FieldWriter {
    let is_link = metadata.file_type().is_symlink();
    let target = if is_link { path.read_link().ok() } else { None };
    FieldWriter::new()
        .bytes(1, path.as_os_str().as_bytes())
        .bytes(2, path.file_name().unwrap_or_else(|| path.as_os_str()).as_bytes())
        .text(3, type_name(metadata))
        .text(4, metadata.size())
        .text(5, format_args!("{:04o}", metadata.mode() & 0o7777))
        .text(6, metadata.uid())
        .text(7, metadata.gid())
        .text(8, names.user(metadata.uid()))
        .text(9, names.group(metadata.gid()))
        .text(10, milliseconds(metadata.mtime(), metadata.mtime_nsec()))
        .list(11, target.as_ref().map(|target| target.as_os_str().as_bytes()))
        .text(12, milliseconds(metadata.ctime(), metadata.ctime_nsec()))
        .text(13, milliseconds(metadata.atime(), metadata.atime_nsec()))
        .text(14, metadata.ino())
}

fn type_name(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    if kind.is_file() {
        "file"
    } else if kind.is_dir() {
        "directory"
    } else if kind.is_symlink() {
        "symlink"
    } else {
        "other"
    }
}

fn milliseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1000).saturating_add(nanoseconds / 1_000_000)
}
