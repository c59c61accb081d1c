//! Puts into an unpacked layer what Node cannot make: the marks by which overlayfs hides what is below, and named pipes.

use crate::libc;
use crate::syscalls::{c_string, check, describe, Errno};
use std::ffi::{CStr, OsStr};
use std::fs::{symlink_metadata, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::AsRawFd;
use std::path::{Component, Path, PathBuf};

/// `layer-marks DIRECTORY`, with `h PATH`, `o PATH` and `p PATH` on standard input, each ended by a zero byte: hide a name,
/// hide all that lower layers have in a directory, make a named pipe. Paths are below the directory, whose content is
/// nobody else's to change meanwhile. Everything is on the disk when this ends well.
pub fn main(arguments: &[String]) -> i32 {
    let directory = match arguments {
        [directory] => Path::new(directory),
        _ => {
            eprintln!("usage: warren-guest layer-marks DIRECTORY");
            return 2;
        }
    };
    match mark(directory, &mut std::io::stdin().lock()) {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("{}", message);
            1
        }
    }
}

fn mark(directory: &Path, input: &mut dyn Read) -> Result<(), String> {
    let mut orders = Vec::new();
    input.read_to_end(&mut orders).map_err(|error| error.to_string())?;
    for order in orders.split(|byte| *byte == 0).filter(|order| !order.is_empty()) {
        let failed = |what: &str| format!("{}: {}", String::from_utf8_lossy(order), what);
        let (kind, name) = match order {
            [kind, b' ', name @ ..] => (*kind, Path::new(OsStr::from_bytes(name))),
            _ => return Err(failed("no order")),
        };
        let path = place(directory, name).ok_or_else(|| failed("leads out of the layer"))?;
        let path = c_string(path.as_os_str().as_bytes()).map_err(|errno| failed(&describe(errno)))?;
        let done = match kind {
            b'h' => make_node(&path, libc::S_IFCHR),
            b'o' => hide_below(&path),
            b'p' => make_node(&path, libc::S_IFIFO | 0o600),
            _ => return Err(failed("no order")),
        };
        done.map_err(|errno| failed(&describe(errno)))?;
    }
    let opened = File::open(directory).map_err(|error| error.to_string())?;
    check(unsafe { libc::syncfs(opened.as_raw_fd()) }).map_err(describe)?;
    Ok(())
}

/// Where `name` is below `directory`; `None` if it has other parts than names, or a parent that is no directory.
fn place(directory: &Path, name: &Path) -> Option<PathBuf> {
    let mut path = directory.to_path_buf();
    let mut parts = name.components().peekable();
    parts.peek()?;
    while let Some(part) = parts.next() {
        match part {
            Component::Normal(part) => path.push(part),
            _ => return None,
        }
        if parts.peek().is_some() && !symlink_metadata(&path).ok()?.is_dir() {
            return None;
        }
    }
    Some(path)
}

/// Of the device 0/0, which is no device: overlayfs reads it as "there is nothing of this name".
fn make_node(path: &CStr, mode: u32) -> Result<(), Errno> {
    check(unsafe { libc::mknod(path.as_ptr(), mode, 0) }).map(drop)
}

fn hide_below(path: &CStr) -> Result<(), Errno> {
    let is_directory = symlink_metadata(OsStr::from_bytes(path.to_bytes())).map_or(false, |found| found.is_dir());
    if !is_directory {
        return Err(libc::ENOTDIR);
    }
    let (name, value) = (b"trusted.overlay.opaque\0", b"y");
    check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr().cast(), value.as_ptr().cast(), value.len(), 0) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, remove_dir_all};
    use std::os::unix::fs::{symlink, FileTypeExt};

    #[test]
    fn hides_names_and_makes_pipes_but_not_behind_links_or_outside() {
        let directory = std::env::temp_dir().join(format!("layer-marks-{}", std::process::id()));
        create_dir(&directory).unwrap();
        create_dir(directory.join("etc")).unwrap();
        symlink("/tmp", directory.join("away")).unwrap();

        // Whoever may not make the device 0/0 sees that said.
        let hidden = mark(&directory, &mut &b"h etc/passwd\0"[..]);
        if hidden.is_ok() {
            assert!(symlink_metadata(directory.join("etc/passwd")).unwrap().file_type().is_char_device());
        }
        mark(&directory, &mut &b"p etc/pipe\0"[..]).unwrap();
        assert!(symlink_metadata(directory.join("etc/pipe")).unwrap().file_type().is_fifo());
        for hostile in [&b"p away/pipe\0"[..], b"p ../pipe\0", b"p /tmp/pipe\0", b"o etc/pipe\0", b"x etc\0", b"p \0"] {
            let mut input = hostile;
            assert!(mark(&directory, &mut input).is_err(), "{}", String::from_utf8_lossy(hostile));
        }
        remove_dir_all(&directory).unwrap();
    }
}
