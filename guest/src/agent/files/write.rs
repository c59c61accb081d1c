use super::super::connection::{Connection, Lost};
use super::change::make_parents;
use super::{octal, stat, xattr, Scope};
use crate::failure::{Failure, Outcome};
use crate::frames::{kind, Fields};
use crate::libc;
use crate::syscalls::errno_of;
use std::ffi::OsString;
use std::fs::{remove_file, rename, File, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

static LAST_TEMPORARY: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Flags {
    append: bool,
    exclusive: bool,
    parents: bool,
    atomic: bool,
}

/// A file being written. Dropped before `keep`, what this request created is removed.
struct Target {
    file: File,
    /// Where the bytes go: `path` itself, or beside it with `atomic`.
    at: PathBuf,
    path: PathBuf,
    created: bool,
}

/// Takes DATA until END, answers with stat. Without END nothing new is left behind.
pub fn write(mut connection: Connection, scope: &Scope, fields: &Fields) -> Result<(), Lost> {
    let written = open(scope, fields).and_then(|mut target| match take_data(&mut connection, &mut target)? {
        true => target.keep().map(Some),
        false => Ok(None),
    });
    match written {
        Ok(Some(stat)) => connection.ok(&stat),
        Ok(None) => Err(Lost),
        Err(failure) => refuse(connection, &failure),
    }
}

/// Closing with data unread would reset the connection before the host has read the error.
pub fn refuse(mut connection: Connection, failure: &Failure) -> Result<(), Lost> {
    connection.fail(failure)?;
    while let Ok(Some(frame)) = connection.receive() {
        if frame.kind == kind::END {
            break;
        }
    }
    Ok(())
}

fn take_data(connection: &mut Connection, target: &mut Target) -> Outcome<bool> {
    loop {
        match connection.receive()? {
            None => return Ok(false),
            Some(frame) if frame.kind == kind::END => return Ok(true),
            Some(frame) if frame.kind == kind::DATA => {
                target.file.write_all(&frame.payload).map_err(|error| cannot_write(&target.path, &error))?;
            }
            Some(_) => return Err(Failure::new("invalid", "a WRITE is followed by DATA and END only")),
        }
    }
}

fn open(scope: &Scope, fields: &Fields) -> Outcome<Target> {
    let path = scope.path();
    let flags = parse_flags(fields.text(4).unwrap_or(""))?;
    let mode = octal(fields, 3)?;
    let opened = match open_with(path, &flags, mode.unwrap_or(0o644)) {
        Err(error) if error.kind() == ErrorKind::NotFound && flags.parents => {
            make_parents(scope, path)?;
            open_with(path, &flags, mode.unwrap_or(0o644))
        }
        opened => opened,
    };
    let target = opened.map_err(|error| cannot_write(path, &error))?;
    match target.file.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        _ => return Err(not_a_file(path)),
    }
    scope.give_file(&target.file);
    if let Some(prefix) = fields.get(7) {
        xattr::replace(&target.at, prefix, fields)?;
    }
    Ok(target)
}

fn not_a_file(path: &Path) -> Failure {
    Failure::new("invalid", format!("cannot write {}: not a regular file", path.display()))
}

fn parse_flags(text: &str) -> Outcome<Flags> {
    let mut flags = Flags::default();
    for name in text.split(',').filter(|name| !name.is_empty()) {
        match name {
            "append" => flags.append = true,
            "exclusive" => flags.exclusive = true,
            "parents" => flags.parents = true,
            "atomic" => flags.atomic = true,
            _ => return Err(Failure::new("invalid", format!("unknown write flag: {}", name))),
        }
    }
    if flags.atomic && (flags.append || flags.exclusive) {
        return Err(Failure::new("invalid", "atomic goes with neither append nor exclusive"));
    }
    Ok(flags)
}

fn open_with(path: &Path, flags: &Flags, mode: u32) -> Result<Target, Error> {
    if flags.atomic {
        return open_beside(path, mode);
    }
    let mut options = OpenOptions::new();
    options.write(true).mode(mode).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    options.append(flags.append);
    let target = |file, created| Target { file, at: path.to_path_buf(), path: path.to_path_buf(), created };
    match options.clone().create_new(true).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && !flags.exclusive => {}
        created => return created.map(|file| target(file, true)),
    }
    let existing = options.truncate(!flags.append);
    match existing.open(path) {
        // A symbolic link that points at nothing yet.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            existing.create(true).open(path).map(|file| target(file, false))
        }
        opened => opened.map(|file| target(file, false)),
    }
}

fn open_beside(path: &Path, mode: u32) -> Result<Target, Error> {
    // A link stays a link: what it points at is replaced.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mode = match path.metadata() {
        Ok(existing) if existing.is_dir() => return Err(Error::from_raw_os_error(libc::EISDIR)),
        Ok(existing) => existing.mode() & 0o7777,
        Err(_) => mode,
    };
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or_else(|| Error::from_raw_os_error(libc::EISDIR))?);
    name.push(format!(".{}.partial", LAST_TEMPORARY.fetch_add(1, Ordering::Relaxed)));
    let at = path.with_file_name(name);
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&at)?;
    if let Ok(existing) = path.metadata() {
        // Where it may not be given, it belongs to the writer.
        unsafe { libc::fchown(file.as_raw_fd(), existing.uid(), existing.gid()) };
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(Target { file, at, path, created: true })
}

impl Target {
    fn keep(mut self) -> Outcome<Vec<u8>> {
        if self.at != self.path {
            rename(&self.at, &self.path).map_err(|error| cannot_write(&self.path, &error))?;
        }
        self.created = false;
        stat::of_path(&self.path, true)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if self.created {
            let _ = remove_file(&self.at);
        }
    }
}

fn cannot_write(path: &Path, error: &Error) -> Failure {
    match errno_of(error) {
        // A FIFO that nobody reads, or a socket.
        libc::ENXIO => not_a_file(path),
        errno => Failure::from_errno(errno, format!("cannot write {}", path.display())),
    }
}
