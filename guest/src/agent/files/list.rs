use super::super::connection::{Connection, Lost};
use super::super::users::Names;
use super::stat::{stat_fields, with_details};
use super::Scope;
use crate::failure::Failure;
use crate::frames::{header, kind, Fields};
use crate::syscalls::errno_of;
use std::fs::ReadDir;
use std::path::PathBuf;

const BATCH: usize = 32 * 1024;

struct Wanted {
    /// Levels; 0 is all.
    depth: u64,
    details: bool,
    names: Names,
}

/// Streams what is below a directory, down to `depth` levels (0: all). What may not be read below it is passed over.
pub fn list(connection: &Connection, scope: &Scope, fields: &Fields) -> Result<(), Lost> {
    let depth = match fields.number(3) {
        Ok(depth) => depth.unwrap_or(1),
        Err(malformed) => return connection.fail(&malformed.into()),
    };
    let root = scope.path();
    let opened = match root.read_dir() {
        Ok(opened) => opened,
        Err(error) => {
            return connection.fail(&Failure::from_errno(errno_of(&error), format!("cannot list {}", root.display())))
        }
    };
    let wanted = Wanted { depth, details: fields.flag(9), names: Names::read() };
    let mut batch = Vec::new();
    let mut below = Vec::new();
    send_directory(connection, opened, (1, &wanted), &mut batch, &mut below)?;
    while let Some((path, level)) = below.pop() {
        if let Ok(opened) = path.read_dir() {
            send_directory(connection, opened, (level, &wanted), &mut batch, &mut below)?;
        }
    }
    batch.extend_from_slice(&header(kind::END, 0));
    connection.send_raw(&batch)
}

fn send_directory(
    connection: &Connection,
    opened: ReadDir,
    (level, wanted): (u64, &Wanted),
    batch: &mut Vec<u8>,
    below: &mut Vec<(PathBuf, u64)>,
) -> Result<(), Lost> {
    for entry in opened.flatten() {
        let path = entry.path();
        // It may have gone since its name was read.
        if let Ok(metadata) = entry.metadata() {
            let mut fields = stat_fields(&path, &metadata, &wanted.names);
            if wanted.details {
                fields = with_details(fields, &path, &metadata);
            }
            let payload = fields.done();
            batch.extend_from_slice(&header(kind::ENTRY, payload.len()));
            batch.extend_from_slice(&payload);
            if metadata.is_dir() && (wanted.depth == 0 || level < wanted.depth) {
                below.push((path, level + 1));
            }
        }
        if batch.len() >= BATCH {
            connection.send_raw(batch)?;
            batch.clear();
        }
    }
    Ok(())
}
