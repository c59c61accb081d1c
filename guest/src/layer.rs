//! Makes a layer of what a sandbox has written: copies the folder that its disk was laid over its layers with.

use crate::keeper::disk::enter_private_namespace;
use crate::keeper::loop_device::LoopDevice;
use crate::libc::{self, c_void};
use crate::sha256::Sha256;
use crate::syscalls::{c_string, check, describe, errno, mount, Errno};
use std::collections::HashMap;
use std::ffi::CString;
use std::fs::{create_dir, hard_link, read_link, set_permissions, File, Metadata, Permissions};
use std::io::Error;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

const IDS: u32 = 65_536;
const CHUNK: usize = 1024 * 1024;
const OPAQUE: &[u8] = b"trusted.overlay.opaque";
/// The folder of the platform's own things in each root.
const OWN: &str = ".warren";
const LONGEST_VALUE: usize = 64 * 1024;

/// `layer IMAGE MOUNT_POINT BELOW DRAFT UID_BASE MAX_MB MAX_FILES`: copies the folder `upper` of the ext4 image, or what is at
/// BELOW in it, to the folder DRAFT, with owners as inside. Prints what it is as one line of JSON. Files, folders, links and
/// the marks of what is taken away are copied; a device or a socket never is.
pub fn main(arguments: &[String]) -> i32 {
    match run(arguments) {
        Ok(report) => {
            println!("{}", report);
            0
        }
        Err(error) => {
            eprintln!("{}", error);
            1
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    let (image, place, below, draft, numbers) = match arguments {
        [image, place, below, draft, numbers @ ..] if numbers.len() == 3 => (image, place, below, draft, numbers),
        _ => return Err("usage: layer IMAGE MOUNT_POINT BELOW DRAFT UID_BASE MAX_MB MAX_FILES".to_string()),
    };
    let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{} is no number", text));
    let (uid_base, max_mb, max_files) = (number(&numbers[0])? as u32, number(&numbers[1])?, number(&numbers[2])?);
    let failed = |what: &str| {
        let what = what.to_string();
        move |errno: Errno| format!("cannot {}: {}", what, describe(errno))
    };
    enter_private_namespace().map_err(failed("make a mount namespace"))?;
    let device = LoopDevice::attach(image).map_err(failed("attach a loop device"))?;
    let flags = libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOSUID | libc::MS_NOEXEC;
    mount(device.path(), place, "ext4", flags, "").map_err(failed("mount the disk"))?;

    unsafe { libc::umask(0) };
    let mut from = Path::new(place).join("upper");
    for name in Path::new(below).components() {
        from.push(name);
        // Made by whoever was in the sandbox: no link is followed.
        let is_folder = from.symlink_metadata().map_or(false, |found| found.is_dir());
        if !is_folder {
            return Err(format!("/{} is not a folder in the sandbox", below));
        }
    }
    let mut copy = Copy {
        from,
        to: PathBuf::from(draft),
        uid_base,
        bytes_left: max_mb * 1024 * 1024,
        files_left: max_files,
        bytes: 0,
        files: 0,
        left_out: 0,
        hash: Sha256::new(),
        linked: HashMap::new(),
        buffer: vec![0; CHUNK],
    };
    copy.folder(Path::new("")).map_err(|error| match error.raw_os_error() {
        Some(libc::EFBIG) => format!("the layer is larger than {} MiB or has more than {} files", max_mb, max_files),
        _ => format!("cannot copy the layer: {}", error),
    })?;
    let Copy { bytes, files, left_out, hash, .. } = copy;
    Ok(format!(r#"{{"sha256":"{}","bytes":{},"files":{},"leftOut":{}}}"#, hash.hex(), bytes, files, left_out))
}

struct Copy {
    from: PathBuf,
    to: PathBuf,
    uid_base: u32,
    bytes_left: u64,
    files_left: u64,
    bytes: u64,
    files: u64,
    left_out: u64,
    hash: Sha256,
    /// Files with several names, by their number.
    linked: HashMap<u64, PathBuf>,
    buffer: Vec<u8>,
}

impl Copy {
    /// The folder itself is there already only where it is the uppermost.
    fn folder(&mut self, relative: &Path) -> Result<(), Error> {
        let metadata = join(&self.from, relative).symlink_metadata()?;
        if !relative.as_os_str().is_empty() {
            create_dir(join(&self.to, relative))?;
        }
        let mut names = Vec::new();
        for entry in join(&self.from, relative).read_dir()? {
            names.push(entry?.file_name());
        }
        names.sort();
        let (source, target) = (join(&self.from, relative), join(&self.to, relative));
        let opaque = attribute(&source, OPAQUE)?.filter(|value| value == b"y");
        if let Some(value) = &opaque {
            set_attribute(&target, OPAQUE, value)?;
        }
        self.describe(b"d", relative, &metadata, opaque.as_deref().unwrap_or(b""));
        self.user_attributes(&source, &target)?;
        for name in names {
            self.entry(&relative.join(name))?;
        }
        // After what is in it, which changes its time.
        self.give(&target, &metadata)
    }

    fn entry(&mut self, relative: &Path) -> Result<(), Error> {
        if relative == Path::new(OWN) {
            return Ok(());
        }
        let (source, target) = (join(&self.from, relative), join(&self.to, relative));
        let metadata = source.symlink_metadata()?;
        self.files_left = self.files_left.checked_sub(1).ok_or_else(too_large)?;
        self.files += 1;
        let kind = metadata.file_type();
        if kind.is_dir() {
            return self.folder(relative);
        }
        if kind.is_symlink() {
            let to = read_link(&source)?;
            self.describe(b"l", relative, &metadata, to.as_os_str().as_bytes());
            symlink(to, &target)?;
            return self.give(&target, &metadata);
        }
        if kind.is_char_device() && metadata.rdev() == 0 {
            self.describe(b"w", relative, &metadata, b"");
            return mark_as_gone(&target);
        }
        if !kind.is_file() {
            self.left_out += 1;
            return Ok(());
        }
        if metadata.nlink() > 1 {
            if let Some(first) = self.linked.get(&metadata.ino()) {
                hard_link(join(&self.to, first), &target)?;
                let first = first.clone();
                self.describe(b"h", relative, &metadata, first.as_os_str().as_bytes());
                return Ok(());
            }
            self.linked.insert(metadata.ino(), relative.to_path_buf());
        }
        self.describe(b"f", relative, &metadata, &metadata.len().to_be_bytes());
        self.content(&source, &target, metadata.len())?;
        self.user_attributes(&source, &target)?;
        self.give(&target, &metadata)
    }

    /// What is not a hole.
    fn content(&mut self, source: &Path, target: &Path, length: u64) -> Result<(), Error> {
        let (source, target) = (File::open(source)?, File::create(target)?);
        target.set_len(length)?;
        let mut end = 0i64;
        loop {
            let start = unsafe { libc::lseek(source.as_raw_fd(), end, libc::SEEK_DATA) };
            if start < 0 {
                return match errno() {
                    libc::ENXIO => Ok(()),
                    errno => Err(Error::from_raw_os_error(errno)),
                };
            }
            end = unsafe { libc::lseek(source.as_raw_fd(), start, libc::SEEK_HOLE) };
            if end < 0 {
                return Err(Error::last_os_error());
            }
            self.bytes_left = self.bytes_left.checked_sub((end - start) as u64).ok_or_else(too_large)?;
            self.hash.update(&start.to_be_bytes());
            let mut at = start as u64;
            while at < end as u64 {
                let most = CHUNK.min((end as u64 - at) as usize);
                let read = source.read_at(&mut self.buffer[..most], at)?;
                if read == 0 {
                    break;
                }
                self.hash.update(&self.buffer[..read]);
                target.write_all_at(&self.buffer[..read], at)?;
                at += read as u64;
                self.bytes += read as u64;
            }
        }
    }

    fn user_attributes(&mut self, source: &Path, target: &Path) -> Result<(), Error> {
        for name in attribute_names(source)?.iter().filter(|name| name.starts_with(b"user.")) {
            if let Some(value) = attribute(source, name)? {
                self.hash.update(name);
                self.hash.update(&value);
                set_attribute(target, name, &value)?;
            }
        }
        Ok(())
    }

    fn describe(&mut self, kind: &[u8], relative: &Path, metadata: &Metadata, more: &[u8]) {
        let path = relative.as_os_str().as_bytes();
        self.hash.update(kind);
        for piece in [path, more] {
            self.hash.update(&(piece.len() as u64).to_be_bytes());
            self.hash.update(piece);
        }
        let (uid, gid) = self.owner(metadata);
        for number in [metadata.mode(), uid, gid] {
            self.hash.update(&number.to_be_bytes());
        }
        self.hash.update(&metadata.mtime().to_be_bytes());
    }

    /// Others than those of the sandbox become its root.
    fn owner(&self, metadata: &Metadata) -> (u32, u32) {
        let inside = |id: u32| id.checked_sub(self.uid_base).filter(|inside| *inside < IDS).unwrap_or(0);
        (inside(metadata.uid()), inside(metadata.gid()))
    }

    fn give(&self, target: &Path, metadata: &Metadata) -> Result<(), Error> {
        let name = name_of(target)?;
        let (uid, gid) = self.owner(metadata);
        checked(unsafe { libc::lchown(name.as_ptr(), uid, gid) })?;
        if !metadata.file_type().is_symlink() {
            // After the owner: changing it clears the set-user-id bit.
            set_permissions(target, Permissions::from_mode(metadata.mode() & 0o7777))?;
        }
        let time = |tv_sec, tv_nsec| libc::timespec { tv_sec, tv_nsec };
        let times =
            [time(metadata.atime(), metadata.atime_nsec()), time(metadata.mtime(), metadata.mtime_nsec())];
        let flags = libc::AT_SYMLINK_NOFOLLOW;
        checked(unsafe { libc::utimensat(libc::AT_FDCWD, name.as_ptr(), times.as_ptr(), flags) })
    }
}

fn mark_as_gone(target: &Path) -> Result<(), Error> {
    checked(unsafe { libc::mknod(name_of(target)?.as_ptr(), libc::S_IFCHR, 0) })
}

fn attribute(path: &Path, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
    let (path, name) = (name_of(path)?, c_string(name).map_err(Error::from_raw_os_error)?);
    let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) };
    if length < 0 {
        return Ok(None);
    }
    let mut value = vec![0u8; (length as usize).min(LONGEST_VALUE)];
    let buffer = value.as_mut_ptr() as *mut c_void;
    let length = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), buffer, value.len()) };
    value.truncate(length.max(0) as usize);
    Ok(Some(value))
}

fn attribute_names(path: &Path) -> Result<Vec<Vec<u8>>, Error> {
    let path = name_of(path)?;
    let length = unsafe { libc::llistxattr(path.as_ptr(), std::ptr::null_mut(), 0) };
    if length <= 0 {
        return Ok(Vec::new());
    }
    let mut names = vec![0u8; LONGEST_VALUE];
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    names.truncate(length.max(0) as usize);
    let mut names: Vec<Vec<u8>> = names.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    Ok(names)
}

fn set_attribute(path: &Path, name: &[u8], value: &[u8]) -> Result<(), Error> {
    let (path, name) = (name_of(path)?, c_string(name).map_err(Error::from_raw_os_error)?);
    checked(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) })
}

fn name_of(path: &Path) -> Result<CString, Error> {
    c_string(path.as_os_str().as_bytes()).map_err(Error::from_raw_os_error)
}

fn checked(result: i32) -> Result<(), Error> {
    check(result).map(drop).map_err(Error::from_raw_os_error)
}

fn too_large() -> Error {
    Error::from_raw_os_error(libc::EFBIG)
}

/// `join("")` would add a slash.
fn join(base: &Path, relative: &Path) -> PathBuf {
    if relative.as_os_str().is_empty() {
        base.to_path_buf()
    } else {
        base.join(relative)
    }
}
