use super::super::connection::{Connection, Lost};
use super::super::users::Names;
use super::stat::stat_fields;
use super::Scope;
use crate::failure::{Failure, Outcome};
use crate::frames::{header, kind, Fields, CHUNK};
use crate::libc;
use crate::syscalls::{errno_of, read as read_fd, Errno};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::AsRawFd;
use std::path::Path;

/// Sends stat, then the content (or a part of it) as DATA, then END.
pub fn read(connection: &Connection, scope: &Scope, fields: &Fields) -> Result<(), Lost> {
    let path = scope.path();
    let (file, metadata, length) = match open(path, fields) {
        Ok(opened) => opened,
        Err(failure) => return connection.fail(&failure),
    };
    connection.ok(&stat_fields(path, &metadata, &Names::read()).done())?;
    match send_content(connection, &file, length)? {
        Ok(()) => connection.send(kind::END, &[]),
        Err(errno) => connection.fail(&cannot_read(path, errno)),
    }
}

fn open(path: &Path, fields: &Fields) -> Outcome<(File, Metadata, u64)> {
    let offset = fields.number(3)?.unwrap_or(0);
    let length = fields.number(4)?.unwrap_or(u64::MAX);
    let refused = |error: std::io::Error| cannot_read(path, errno_of(&error));
    // Non-blocking: opening a FIFO would wait for its other end.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(refused)?;
    let metadata = file.metadata().map_err(refused)?;
    if metadata.is_dir() {
        return Err(cannot_read(path, libc::EISDIR));
    }
    if !metadata.is_file() {
        return Err(cannot_read(path, libc::ENXIO));
    }
    if offset > 0 {
        file.seek(SeekFrom::Start(offset)).map_err(refused)?;
    }
    Ok((file, metadata, length))
}

fn send_content(connection: &Connection, file: &File, mut remaining: u64) -> Result<Result<(), Errno>, Lost> {
    // One buffer for header and data, so that a chunk is one send.
    let mut buffer = vec![0; 5 + CHUNK];
    while remaining > 0 {
        let limit = remaining.min(CHUNK as u64) as usize;
        match read_fd(file.as_raw_fd(), &mut buffer[5..5 + limit]) {
            Ok(0) | Err(libc::EAGAIN) => break,
            Ok(count) => {
                buffer[..5].copy_from_slice(&header(kind::DATA, count));
                connection.send_raw(&buffer[..5 + count])?;
                remaining -= count as u64;
            }
            Err(errno) => return Ok(Err(errno)),
        }
    }
    Ok(Ok(()))
}

fn cannot_read(path: &Path, errno: Errno) -> Failure {
    match errno {
        // What the kernel says on opening a socket.
        libc::ENXIO => Failure::new("invalid", format!("cannot read {}: not a regular file", path.display())),
        errno => Failure::from_errno(errno, format!("cannot read {}", path.display())),
    }
}
