use super::Scope;
use crate::failure::{Failure, Outcome};
use crate::frames::{FieldWriter, Fields, MAX_FRAME};
use crate::libc::{self, c_void};
use crate::syscalls::{c_string, errno, Errno};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;

/// The kernel's own limit for a value and for a list of names.
const LARGEST: usize = 64 * 1024;

/// Gets, sets, lists or removes extended attributes of a path, following links.
pub fn xattr(scope: &Scope, fields: &Fields) -> Outcome<Vec<u8>> {
    let path = scope.path();
    let operation = fields.text(3).unwrap_or("");
    let name = fields.get(4).unwrap_or(b"");
    let shown = String::from_utf8_lossy(name);
    let refused =
        |errno| Failure::from_errno(errno, format!("cannot {} attribute {} of {}", operation, shown, path.display()));
    let path_c = c_string(path.as_os_str().as_bytes()).map_err(refused)?;
    let name_c = c_string(name).map_err(refused)?;
    match operation {
        "get" => get(&path_c, &name_c).map(|value| FieldWriter::new().bytes(5, &value).done()).map_err(refused),
        "set" => set(&path_c, &name_c, fields.get(5).unwrap_or(b"")).map(|()| Vec::new()).map_err(refused),
        "remove" => {
            let removed = unsafe { libc::removexattr(path_c.as_ptr(), name_c.as_ptr()) };
            sized(removed as isize).map(|_| Vec::new()).map_err(refused)
        }
        "list" => list(&path_c).map_err(refused),
        _ => Err(Failure::new(
            "invalid",
            format!("an attribute operation is get, set, list or remove, not {}", operation),
        )),
    }
}

fn get(path: &CStr, name: &CStr) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0u8; LARGEST];
    let buffer = value.as_mut_ptr() as *mut c_void;
    let length = sized(unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), buffer, LARGEST) })?;
    value.truncate(length);
    Ok(value)
}

fn set(path: &CStr, name: &CStr, value: &[u8]) -> Result<(), Errno> {
    let bytes = value.as_ptr() as *const c_void;
    sized(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), bytes, value.len(), 0) } as isize).map(drop)
}

fn list(path: &CStr) -> Result<Vec<u8>, Errno> {
    let mut names = vec![0u8; LARGEST];
    let length = sized(unsafe { libc::listxattr(path.as_ptr(), names.as_mut_ptr().cast(), LARGEST) })?;
    names.truncate(length);
    let mut fields = FieldWriter::new();
    let mut room = MAX_FRAME - 1;
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let value = CString::new(name).map_err(|_| libc::EINVAL).and_then(|name| get(path, &name));
        if let Ok(value) = value {
            room = room.checked_sub(name.len() + value.len() + 10).ok_or(libc::E2BIG)?;
            fields = fields.bytes(4, name).bytes(5, &value);
        }
    }
    Ok(fields.done())
}

fn sized(result: isize) -> Result<usize, Errno> {
    if result < 0 {
        Err(errno())
    } else {
        Ok(result as usize)
    }
}
