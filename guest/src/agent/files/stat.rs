use super::super::users::Names;
use super::{xattr, Scope};
use crate::failure::{Failure, Outcome};
use crate::frames::{FieldWriter, Fields};
use crate::syscalls::errno_of;
use std::fs::Metadata;
use std::io::Error;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of names and values of one file's attributes that go along with its stat.
const MOST_ATTRIBUTES: usize = 16 * 1024;

pub fn of_request(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let path = scope.path();
    let follow = !fields.flag(3);
    if !fields.flag(9) {
        return of_path(path, follow);
    }
    let metadata = if follow { path.metadata() } else { path.symlink_metadata() };
    let metadata = metadata.map_err(|error| cannot_stat(path, &error))?;
    Ok(with_details(stat_fields(path, &metadata, &Names::read()), path, &metadata).done())
}

/// The stat fields of what is at `path`.
pub fn of_path(path: &Path, follow: bool) -> Outcome<Vec<u8>> {
    let metadata = if follow { path.metadata() } else { path.symlink_metadata() };
    match metadata {
        Ok(metadata) => Ok(stat_fields(path, &metadata, &Names::read()).done()),
        Err(error) => Err(cannot_stat(path, &error)),
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

/// Adds what takes further calls: what a link leads to in the end, and the attributes of namespace `user.`.
pub fn with_details(fields: FieldWriter, path: &Path, metadata: &Metadata) -> FieldWriter {
    let mut fields = fields;
    if metadata.file_type().is_symlink() {
        if let (Ok(resolved), Ok(target)) = (path.canonicalize(), path.metadata()) {
            fields = fields
                .bytes(15, resolved.as_os_str().as_bytes())
                .text(16, type_name(&target))
                .text(17, format_args!("{:04o}", target.mode() & 0o7777));
        }
    }
    for (name, value) in xattr::of_user(path, MOST_ATTRIBUTES) {
        fields = fields.bytes(18, &name).bytes(19, &value);
    }
    fields
}

fn cannot_stat(path: &Path, error: &Error) -> Failure {
    Failure::from_errno(errno_of(error), format!("cannot stat {}", path.display()))
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
