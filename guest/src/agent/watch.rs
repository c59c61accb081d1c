use super::connection::{Arrived, Connection, Lost};
use super::files::Scope;
use crate::failure::{Failure, Outcome};
use crate::frames::{kind, FieldWriter, Fields};
use crate::libc::{self, POLLERR, POLLHUP, POLLIN};
use crate::syscalls::{c_string, check, owned, poll, poll_entry, read, unix_ms, Errno};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

const CHANGES: u32 = libc::IN_CREATE
    | libc::IN_MODIFY
    | libc::IN_DELETE
    | libc::IN_MOVED_FROM
    | libc::IN_MOVED_TO
    | libc::IN_ATTRIB
    | libc::IN_DELETE_SELF
    | libc::IN_MOVE_SELF;
const HEADER: usize = 16;
/// Of a full buffer each, before a SYNC is answered all the same: somebody changes files faster than they are told.
const MOST_READS: usize = 4096;
/// NFS, SMB, CIFS, SMB2, FUSE.
const NETWORK_FILE_SYSTEMS: [u32; 5] = [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x6573_5546];

/// Sends what changes below a directory until the host closes or the directory goes.
pub fn watch(mut connection: Connection, fields: &Fields) -> Result<(), Lost> {
    let watching = Scope::enter(fields).and_then(|scope| {
        refuse_network_mount(scope.path(), fields)?;
        Watcher::start(scope.path(), fields.flag(3))
    });
    let mut watcher = match watching {
        Ok(watcher) => watcher,
        Err(failure) => return connection.fail(&failure),
    };
    connection.ok(&[])?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mut entries = [poll_entry(watcher.inotify.as_raw_fd(), POLLIN), poll_entry(connection.fd(), POLLIN)];
        // An empty queue is looked at once before waiting.
        poll(&mut entries, if watcher.told_ahead.is_empty() { -1 } else { 0 });
        if entries[1].revents & (POLLHUP | POLLERR) != 0 {
            return Err(Lost);
        }
        // Taken before the queue is looked at: what was in it when the host asked is told before the answer.
        let asked = if entries[1].revents & POLLIN != 0 { take_syncs(&mut connection)? } else { 0 };
        for _ in 0..MOST_READS {
            let count = read(watcher.inotify.as_raw_fd(), &mut buffer).unwrap_or(0);
            if count == 0 {
                watcher.told_ahead.clear();
            }
            let goes_on = watcher.take(&buffer[..count]);
            for (change, path) in watcher.changes.drain(..) {
                let event = FieldWriter::new().text(1, change).bytes(2, path.as_os_str().as_bytes()).text(3, unix_ms());
                connection.send(kind::EVENT, &event.done())?;
            }
            if !goes_on {
                return connection.send(kind::END, &[]);
            }
            if count == 0 || asked == 0 {
                break;
            }
        }
        for _ in 0..asked {
            connection.send(kind::SYNCED, &[])?;
        }
    }
}

/// How many SYNC frames have come.
fn take_syncs(connection: &mut Connection) -> Result<usize, Lost> {
    let mut count = 0;
    loop {
        match connection.receive_now() {
            Ok(Arrived::Frame(frame)) if frame.kind == kind::SYNC => count += 1,
            Ok(Arrived::Frame(_)) => {}
            Ok(Arrived::Nothing) => return Ok(count),
            Ok(Arrived::End) | Err(_) => return Err(Lost),
        }
    }
}

/// What others change there the kernel does not tell of.
fn refuse_network_mount(path: &Path, fields: &Fields) -> Outcome<()> {
    let mut status = libc::statfs64::default();
    let answered = match c_string(path.as_os_str().as_bytes()) {
        Ok(path) => unsafe { libc::statfs64(path.as_ptr(), &mut status) },
        Err(_) => -1,
    };
    if fields.flag(4) && answered == 0 && NETWORK_FILE_SYSTEMS.contains(&(status.f_type as u32)) {
        return Err(Failure::new("unsupported", format!("{} is on a network file system", path.display())));
    }
    Ok(())
}

struct Watcher {
    inotify: OwnedFd,
    root: PathBuf,
    recursive: bool,
    /// Watched directories by their number, relative to the root.
    directories: HashMap<i32, PathBuf>,
    changes: Vec<(&'static str, PathBuf)>,
    /// Found in a new directory and told as created, though the kernel may have queued its own word of it.
    told_ahead: HashSet<PathBuf>,
}

struct Change<'a> {
    watch: i32,
    mask: u32,
    name: &'a [u8],
}

impl Watcher {
    fn start(root: &Path, recursive: bool) -> Outcome<Watcher> {
        let refused = |errno: Errno| match errno {
            libc::ENOSPC => {
                Failure { errno, ..Failure::new("limit", "the kernel's limit of watched directories is reached") }
            }
            _ => Failure::from_errno(errno, format!("cannot watch {}", root.display())),
        };
        if !root.metadata().map_err(|error| refused(crate::syscalls::errno_of(&error)))?.is_dir() {
            return Err(refused(libc::ENOTDIR));
        }
        let inotify = owned(unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) }).map_err(refused)?;
        let mut watcher = Watcher {
            inotify,
            root: root.to_path_buf(),
            recursive,
            directories: HashMap::new(),
            changes: Vec::new(),
            told_ahead: HashSet::new(),
        };
        watcher.add(Path::new("")).map_err(refused)?;
        if recursive {
            watcher.add_below(Path::new(""), false);
        }
        Ok(watcher)
    }

    fn add(&mut self, relative: &Path) -> Result<(), Errno> {
        let path = c_string(self.root.join(relative).as_os_str().as_bytes())?;
        let flags = CHANGES | libc::IN_ONLYDIR | if relative.as_os_str().is_empty() { 0 } else { libc::IN_DONT_FOLLOW };
        let watch = check(unsafe { libc::inotify_add_watch(self.inotify.as_raw_fd(), path.as_ptr(), flags) })?;
        self.directories.insert(watch, relative.to_path_buf());
        Ok(())
    }

    /// Watches every directory below; with `report`, what is found there counts as created.
    fn add_below(&mut self, relative: &Path, report: bool) {
        let mut below = vec![relative.to_path_buf()];
        while let Some(directory) = below.pop() {
            for entry in self.root.join(&directory).read_dir().into_iter().flatten().flatten() {
                let path = directory.join(entry.file_name());
                if report {
                    self.changes.push(("create", path.clone()));
                    self.told_ahead.insert(path.clone());
                }
                if entry.file_type().map_or(false, |kind| kind.is_dir()) {
                    match self.add(&path) {
                        Err(libc::ENOSPC) => self.changes.push(("overflow", path.clone())),
                        _ => {}
                    }
                    below.push(path);
                }
            }
        }
    }

    /// False when the watched directory itself is gone.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while let Some((change, after)) = parse(rest) {
            rest = after;
            if !self.apply(&change) {
                return false;
            }
        }
        true
    }

    fn apply(&mut self, change: &Change) -> bool {
        let is = |bits: u32| change.mask & bits != 0;
        if is(libc::IN_Q_OVERFLOW) {
            self.changes.push(("overflow", PathBuf::new()));
            return true;
        }
        let directory = match self.directories.get(&change.watch) {
            Some(directory) => directory.clone(),
            None => return true,
        };
        if is(libc::IN_IGNORED) {
            self.directories.remove(&change.watch);
            return true;
        }
        if change.name.is_empty() {
            let root_is_gone = directory.as_os_str().is_empty() && is(libc::IN_DELETE_SELF | libc::IN_MOVE_SELF);
            if root_is_gone {
                self.changes.push(("remove", PathBuf::new()));
            }
            return !root_is_gone;
        }
        let path = directory.join(OsStr::from_bytes(change.name));
        let kinds = [
            (libc::IN_CREATE | libc::IN_MOVED_TO, "create"),
            (libc::IN_MODIFY, "write"),
            (libc::IN_ATTRIB, "chmod"),
            (libc::IN_DELETE, "remove"),
            (libc::IN_MOVED_FROM, "rename"),
        ];
        let told = is(libc::IN_CREATE) && self.told_ahead.remove(&path);
        for (bits, kind) in kinds {
            if is(bits) && !(told && kind == "create") {
                self.changes.push((kind, path.clone()));
            }
        }
        if self.recursive && is(libc::IN_ISDIR) && !told {
            if is(libc::IN_MOVED_FROM) {
                self.forget(&path);
            } else if is(libc::IN_CREATE | libc::IN_MOVED_TO) {
                self.enter(&path);
            }
        }
        true
    }

    fn enter(&mut self, path: &Path) {
        match self.add(path) {
            Ok(()) => self.add_below(path, true),
            Err(libc::ENOSPC) => self.changes.push(("overflow", path.to_path_buf())),
            // Gone again already.
            Err(_) => {}
        }
    }

    /// A directory moved out of sight; one moved within the tree comes back under its new name.
    fn forget(&mut self, path: &Path) {
        let gone: Vec<i32> =
            self.directories.iter().filter(|(_, known)| known.starts_with(path)).map(|(watch, _)| *watch).collect();
        for watch in gone {
            self.directories.remove(&watch);
            unsafe { libc::inotify_rm_watch(self.inotify.as_raw_fd(), watch) };
        }
    }
}

/// The first event of a buffer that the kernel filled, and what follows it.
fn parse(bytes: &[u8]) -> Option<(Change<'_>, &[u8])> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let length = word(12)? as usize;
    let padded = bytes.get(HEADER..HEADER + length)?;
    let name = padded.split(|byte| *byte == 0).next().unwrap_or(&[]);
    Some((Change { watch: word(0)? as i32, mask: word(4)?, name }, &bytes[HEADER + length..]))
}
