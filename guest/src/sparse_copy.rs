use crate::libc;
use crate::syscalls::{check, errno, errno_of, Errno};
use std::fs::File;
use std::os::unix::io::AsRawFd;

/// Copies a sparse file by sharing its blocks where the file system can, else by copying what is not a hole.
pub fn copy_sparse(from: &str, to: &str) -> Result<(), Errno> {
    let source = File::open(from).map_err(|error| errno_of(&error))?;
    let target = File::create(to).map_err(|error| errno_of(&error))?;
    copy_sparse_file(&source, &target)
}

/// The same for open files; `target` is empty. The system does the copying, so it may be memory as well.
pub fn copy_sparse_file(source: &File, target: &File) -> Result<(), Errno> {
    if unsafe { libc::ioctl(target.as_raw_fd(), libc::FICLONE, source.as_raw_fd()) } == 0 {
        return Ok(());
    }
    let size = source.metadata().map_err(|error| errno_of(&error))?.len();
    target.set_len(size).map_err(|error| errno_of(&error))?;
    copy_sparse_between(source, target, 0, size as i64)
}

/// What is no hole between two places of `source`, to the same places of `target`.
pub fn copy_sparse_between(source: &File, target: &File, mut at: i64, end: i64) -> Result<(), Errno> {
    while at < end {
        let start = unsafe { libc::lseek(source.as_raw_fd(), at, libc::SEEK_DATA) };
        if start < 0 {
            return match errno() {
                libc::ENXIO => Ok(()),
                errno => Err(errno),
            };
        }
        if start >= end {
            return Ok(());
        }
        at = unsafe { libc::lseek(source.as_raw_fd(), start, libc::SEEK_HOLE) };
        if at < 0 {
            return Err(errno());
        }
        copy_range(source, target, start, at.min(end))?;
    }
    Ok(())
}

fn copy_range(source: &File, target: &File, start: i64, end: i64) -> Result<(), Errno> {
    let mut from = start;
    check(unsafe { libc::lseek(target.as_raw_fd(), start, libc::SEEK_SET) }.signum() as i32)?;
    while from < end {
        let limit = (end - from) as usize;
        // Advances `from`.
        let copied = unsafe { libc::sendfile(target.as_raw_fd(), source.as_raw_fd(), &mut from, limit) };
        if copied < 0 {
            return Err(errno());
        }
        if copied == 0 {
            return Err(libc::EIO);
        }
    }
    Ok(())
}
