use crate::libc::{self, c_void};
use crate::syscalls::{check, errno, open_at, Errno};
use std::ffi::{CStr, CString};
use std::os::unix::io::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

/// A directory read by descriptor, so that nothing above it needs to stay where it was.
pub struct Directory(*mut c_void);

impl Directory {
    pub fn from_fd(fd: OwnedFd) -> Result<Directory, Errno> {
        let stream = unsafe { libc::fdopendir(fd.as_raw_fd()) };
        if stream.is_null() {
            return Err(errno());
        }
        let _ = fd.into_raw_fd();
        Ok(Directory(stream))
    }

    /// Opens the directory `name` in `parent`; a symbolic link is not one.
    pub fn open_at(parent: RawFd, name: &CStr) -> Result<Directory, Errno> {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        open_at(parent, name, flags).and_then(Directory::from_fd)
    }

    pub fn fd(&self) -> RawFd {
        unsafe { libc::dirfd(self.0) }
    }

    /// The next entry's name, without `.` and `..`.
    pub fn next(&mut self) -> Option<CString> {
        loop {
            let entry = unsafe { libc::readdir64(self.0) };
            if entry.is_null() {
                return None;
            }
            let name = unsafe { CStr::from_ptr((*entry).d_name.as_ptr()) };
            if name.to_bytes() != b"." && name.to_bytes() != b".." {
                return Some(name.to_owned());
            }
        }
    }

    pub fn unlink(&self, name: &CStr, flags: libc::c_int) -> Result<(), Errno> {
        check(unsafe { libc::unlinkat(self.fd(), name.as_ptr(), flags) }).map(drop)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        unsafe { libc::closedir(self.0) };
    }
}
