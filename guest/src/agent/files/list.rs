use super::super::connection::{Connection, Lost};
use super::super::users::Names;
use super::stat::stat_fields;
use super::Scope;
use crate::failure::Failure;
use crate::frames::{header, kind, Fields};
use crate::syscalls::errno_of;
use std::fs::ReadDir;
use std::path::PathBuf;

const BATCH: usize = 32 * 1024;

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
    let names = Names::read();
    let mut batch = Vec::new();
    let mut below = Vec::new();
    send_directory(connection, opened, (1, depth), &names, &mut batch, &mut below)?;
    while let Some((path, level)) = below.pop() {
        if let Ok(opened) = path.read_dir() {
            send_directory(connection, opened, (level, depth), &names, &mut batch, &mut below)?;
        }
    }
    batch.extend_from_slice(&header(kind::END, 0));
    connection.send_raw(&batch)
}

fn send_directory(
    connection: &Connection,
    opened: ReadDir,
    (level, depth): (u64, u64),
    names: &Names,
    batch: &mut Vec<u8>,
    below: &mut Vec<(PathBuf, u64)>,
) -> Result<(), Lost> {
    for entry in opened.flatten() {
        let path = entry.path();
        // It may have gone since its name was read.
        if let Ok(metadata) = entry.metadata() {
            let payload = stat_fields(&path, &metadata, names).done();
            batch.extend_from_slice(&header(kind::ENTRY, payload.len()));
            batch.extend_from_slice(&payload);
            if metadata.is_dir() && (depth == 0 || level < depth) {
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
