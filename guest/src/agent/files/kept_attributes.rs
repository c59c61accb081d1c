//! Attributes of files where the file system keeps none, as below gVisor: in a file of the sandbox's own, so that they go where
//! its files go. Whoever asks the agent sees them; programs inside, which ask the kernel, do not.

use crate::frames::{FieldWriter, Fields};
use crate::libc;
use crate::syscalls::{errno_of, Errno};
use std::collections::BTreeMap;
use std::fs::{rename, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "/.warren/attributes";
/// Of all files together.
const MOST_BYTES: usize = 4 << 20;
/// What has changed is written behind the rest, and all of it anew where that makes so much.
const MOST_WRITTEN: u64 = 4 * MOST_BYTES as u64;

pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

struct Entry {
    values: Pairs,
    /// Another file of the same name is another file. Unknown until somebody looks, after a start: numbers change then.
    inode: Option<u64>,
}

/// By path, links followed.
struct Table {
    entries: BTreeMap<Vec<u8>, Entry>,
    bytes: usize,
    written: u64,
}

static KEPT: Mutex<Option<Table>> = Mutex::new(None);

/// Makes those whose names begin with `prefix` these, and no others.
pub fn replace(path: &Path, prefix: &[u8], wanted: &[(&[u8], &[u8])]) -> Result<(), Errno> {
    let key = path.canonicalize().map_err(|error| errno_of(&error))?.into_os_string().into_vec();
    let inode = path.metadata().map_err(|error| errno_of(&error))?.ino();
    with_table(|table| {
        let before = table.entries.get(&key).filter(|entry| entry.inode.map_or(true, |known| known == inode));
        let mut values: Pairs = before.map(|entry| entry.values.clone()).unwrap_or_default();
        values.retain(|(name, _)| !name.starts_with(prefix));
        values.extend(wanted.iter().map(|(name, value)| (name.to_vec(), value.to_vec())));
        table.put(key, values, Some(inode))
    })
}

/// Those of a file, links followed.
pub fn of(path: &Path) -> Pairs {
    with_table(|table| {
        if table.entries.is_empty() {
            return Vec::new();
        }
        let (key, inode) = match (path.canonicalize(), path.metadata()) {
            (Ok(path), Ok(metadata)) => (path.into_os_string().into_vec(), metadata.ino()),
            _ => return Vec::new(),
        };
        match table.entries.get_mut(&key) {
            Some(entry) => match *entry.inode.get_or_insert(inode) == inode {
                true => entry.values.clone(),
                false => Vec::new(),
            },
            None => Vec::new(),
        }
    })
}

/// The name of what is about to be moved or removed; none where nothing is kept.
pub fn key_of(path: &Path) -> Option<Vec<u8>> {
    if with_table(|table| table.entries.is_empty()) {
        return None;
    }
    let folder = path.parent()?.canonicalize().ok()?;
    Some(folder.join(path.file_name()?).into_os_string().into_vec())
}

pub fn removed(key: &[u8]) {
    with_table(|table| {
        for (below, _) in table.take(key) {
            table.append(&below, &[]).unwrap_or(());
        }
    });
}

/// What is at `from`, and below it, is at `to` now.
pub fn moved(from: &[u8], to: &Path) {
    if let Some(replaced) = key_of(to) {
        removed(&replaced);
    }
    with_table(|table| {
        for (key, entry) in table.take(from) {
            let _ = table.append(&key, &[]);
            let path = [to.as_os_str().as_bytes(), &key[from.len()..]].concat();
            if let Ok(path) = PathBuf::from(std::ffi::OsString::from_vec(path)).canonicalize() {
                let _ = table.put(path.into_os_string().into_vec(), entry.values, None);
            }
        }
    });
}

/// Numbers of files are others after this: what is kept is kept for names alone, of files that are still the same now.
pub fn before_new_numbers() {
    with_table(|table| {
        let replaced = |(key, entry): (&Vec<u8>, &Entry)| {
            let now = PathBuf::from(std::ffi::OsString::from_vec(key.clone())).metadata().map(|found| found.ino()).ok();
            match entry.inode.is_some() && entry.inode != now {
                true => Some(key.clone()),
                false => None,
            }
        };
        let gone: Vec<Vec<u8>> = table.entries.iter().filter_map(replaced).collect();
        for key in gone {
            let _ = table.append(&key, &[]);
            table.set(key, Vec::new(), None);
        }
        for entry in table.entries.values_mut() {
            entry.inode = None;
        }
    });
}

fn with_table<T>(work: impl FnOnce(&mut Table) -> T) -> T {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    work(kept.get_or_insert_with(Table::read))
}

impl Table {
    /// What a start before this one has left. Whatever is no record ends it: it was being written when all ended.
    fn read() -> Table {
        let mut table = Table { entries: BTreeMap::new(), bytes: 0, written: 0 };
        let mut bytes = Vec::new();
        if File::open(FILE).and_then(|file| file.take(2 * MOST_WRITTEN).read_to_end(&mut bytes)).is_err() {
            return table;
        }
        table.written = bytes.len() as u64;
        let mut rest = &bytes[..];
        while let [a, b, c, d, more @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let fields = match more.get(..length).map(Fields::parse) {
                Some(Ok(fields)) => fields,
                _ => break,
            };
            let values = fields.all(2).zip(fields.all(3)).map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            table.set(fields.get(1).unwrap_or(b"").to_vec(), values, None);
            rest = &more[length..];
        }
        table
    }

    fn put(&mut self, key: Vec<u8>, values: Pairs, inode: Option<u64>) -> Result<(), Errno> {
        if values.is_empty() && !self.entries.contains_key(&key) {
            return Ok(());
        }
        if self.bytes + size(&key, &values) > MOST_BYTES {
            return Err(libc::ENOSPC);
        }
        self.append(&key, &values)?;
        self.set(key, values, inode);
        Ok(())
    }

    fn set(&mut self, key: Vec<u8>, values: Pairs, inode: Option<u64>) {
        if let Some(before) = self.entries.remove(&key) {
            self.bytes -= size(&key, &before.values);
        }
        if !values.is_empty() {
            self.bytes += size(&key, &values);
            self.entries.insert(key, Entry { values, inode });
        }
    }

    /// Takes out what is at `key` and below it.
    fn take(&mut self, key: &[u8]) -> Vec<(Vec<u8>, Entry)> {
        let is_in = |found: &[u8]| found.strip_prefix(key).map_or(false, |rest| rest.is_empty() || rest[0] == b'/');
        let keys: Vec<Vec<u8>> = self.entries.keys().filter(|found| is_in(found)).cloned().collect();
        let taken: Vec<(Vec<u8>, Entry)> =
            keys.into_iter().filter_map(|key| self.entries.remove(&key).map(|entry| (key, entry))).collect();
        self.bytes -= taken.iter().map(|(key, entry)| size(key, &entry.values)).sum::<usize>();
        taken
    }

    /// Where the agent may not write there, as without root, they last as long as it.
    fn append(&mut self, key: &[u8], values: &[(Vec<u8>, Vec<u8>)]) -> Result<(), Errno> {
        let record = record(key, values);
        let appended = if self.written + record.len() as u64 > MOST_WRITTEN {
            self.write_anew(key, record)
        } else {
            open(FILE, true).and_then(|mut file| file.write_all(&record)).map(|()| self.written + record.len() as u64)
        };
        match appended.map_err(|error| errno_of(&error)) {
            Ok(written) => self.written = written,
            Err(libc::EACCES | libc::EPERM | libc::EROFS | libc::ENOENT) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    fn write_anew(&self, changed: &[u8], last: Vec<u8>) -> std::io::Result<u64> {
        let others = self.entries.iter().filter(|(key, _)| key.as_slice() != changed);
        let mut all: Vec<u8> = others.flat_map(|(key, entry)| record(key, &entry.values)).collect();
        all.extend(last);
        let beside = format!("{}.new", FILE);
        open(&beside, false)?.write_all(&all)?;
        rename(&beside, FILE)?;
        Ok(all.len() as u64)
    }
}

fn open(path: &str, append: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).append(append).truncate(!append).mode(0o600);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path)
}

fn record(key: &[u8], values: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let fields = values.iter().fold(FieldWriter::new().bytes(1, key), |fields, (name, value)| {
        fields.bytes(2, name).bytes(3, value)
    });
    let payload = fields.done();
    [&(payload.len() as u32).to_be_bytes()[..], &payload].concat()
}

fn size(key: &[u8], values: &[(Vec<u8>, Vec<u8>)]) -> usize {
    key.len() + values.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
}
