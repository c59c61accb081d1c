use super::{kept_attributes, Scope};
use crate::failure::{Failure, Outcome};
use crate::frames::{FieldWriter, Fields, MAX_FRAME};
use crate::libc::{self, c_void};
use crate::syscalls::{c_string, errno, Errno};
use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

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

/// Makes the attributes whose names begin with `prefix` those of fields 5 (names) and 6 (values), and no others.
pub fn replace(path: &Path, prefix: &[u8], fields: &Fields) -> Outcome<()> {
    let refused =
        |errno| Failure::from_errno(errno, format!("cannot set the extended attributes of {}", path.display()));
    let wanted: Vec<(&[u8], &[u8])> = fields.all(5).zip(fields.all(6)).collect();
    match replace_in_file_system(path, prefix, &wanted) {
        Err(libc::EOPNOTSUPP) => kept_attributes::replace(path, prefix, &wanted),
        replaced => replaced,
    }
    .map_err(refused)
}

fn replace_in_file_system(path: &Path, prefix: &[u8], wanted: &[(&[u8], &[u8])]) -> Result<(), Errno> {
    let path_c = c_string(path.as_os_str().as_bytes())?;
    let present = names(&path_c)?;
    if present.is_empty() && wanted.is_empty() {
        // Some that keep none say so only when one is set.
        return kept_attributes::replace(path, prefix, wanted);
    }
    for name in present.iter().filter(|name| name.to_bytes().starts_with(prefix)) {
        if !wanted.iter().any(|(kept, _)| *kept == name.to_bytes()) {
            sized(unsafe { libc::removexattr(path_c.as_ptr(), name.as_ptr()) } as isize)?;
        }
    }
    for (name, value) in wanted {
        set(&path_c, &c_string(name)?, value)?;
    }
    Ok(())
}

/// The attributes of namespace `user.`, as far as `room` bytes allow; none where they cannot be read.
pub fn of_user(path: &Path, mut room: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = kept_attributes::of(path);
    if let Ok(path) = c_string(path.as_os_str().as_bytes()) {
        for name in names(&path).unwrap_or_default().iter().filter(|name| name.to_bytes().starts_with(b"user.")) {
            if let Ok(value) = get(&path, name) {
                match room.checked_sub(name.to_bytes().len() + value.len()) {
                    Some(left) => room = left,
                    None => break,
                }
                found.push((name.to_bytes().to_vec(), value));
            }
        }
    }
    found
}

fn names(path: &CStr) -> Result<Vec<CString>, Errno> {
    // Asked for the length first: most files have none, and then there is nothing to make room for.
    let length = sized(unsafe { libc::listxattr(path.as_ptr(), std::ptr::null_mut(), 0) })?;
    if length == 0 {
        return Ok(Vec::new());
    }
    let mut names = vec![0u8; LARGEST];
    let length = sized(unsafe { libc::listxattr(path.as_ptr(), names.as_mut_ptr().cast(), LARGEST) })?;
    names.truncate(length);
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| CString::new(name).ok()).collect())
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
    let mut fields = FieldWriter::new();
    let mut room = MAX_FRAME - 1;
    for name in names(path)? {
        if let Ok(value) = get(path, &name) {
            room = room.checked_sub(name.to_bytes().len() + value.len() + 10).ok_or(libc::E2BIG)?;
            fields = fields.bytes(4, name.to_bytes()).bytes(5, &value);
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
