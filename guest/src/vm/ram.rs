//! The guest's memory, copied out of the process that runs the machine. What the guest has written since it began is in
//! pages of that process alone; everything else still is in the file that its memory is mapped from.

use crate::sparse_copy::copy_sparse_between;
use crate::syscalls::{describe, punch_hole};
use std::fs::{read_to_string, File};
use std::io::Error;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::io::AsRawFd;

const PAGE: u64 = 4096;
/// Pages looked at in one go.
const LOOK: u64 = 64 * 1024;
const PIECE: usize = 1 << 20;
/// Bits of /proc/PID/pagemap: in memory, swapped out, and not the process's own.
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_A_FILE: u64 = 1 << 61;

/// Part of the file, and where the process has it.
struct Mapping {
    address: u64,
    file: Range<u64>,
}

/// Writes the memory of the machine that process `pid` runs to the empty file `to`. The machine stands still.
pub fn save(pid: i32, from: &File, to: &File) -> Result<(), String> {
    let failed = |error: Error| format!("the memory could not be saved: {}", error);
    let size = from.metadata().map_err(failed)?.len();
    to.set_len(size).map_err(failed)?;
    let pages = File::open(format!("/proc/{}/pagemap", pid)).map_err(failed)?;
    let memory = File::open(format!("/proc/{}/mem", pid)).map_err(failed)?;
    let mut mappings = mappings(pid, from).map_err(failed)?;
    mappings.sort_by_key(|mapping| mapping.file.start);
    let mut saved = 0;
    for Mapping { address, file } in mappings {
        for own in own_pages(&pages, address, file.end - file.start).map_err(failed)? {
            let start = file.start + (own.start - address);
            copy_sparse_between(from, to, saved as i64, start as i64).map_err(describe)?;
            copy(&memory, to, own.clone(), start).map_err(failed)?;
            saved = start + (own.end - own.start);
        }
    }
    copy_sparse_between(from, to, saved as i64, size as i64).map_err(describe)
}

/// Gives back what holds nothing but zeros: what is no part of a file takes no room, neither there nor where it is loaded.
pub fn make_sparse(file: &File) -> Result<(), String> {
    let failed = |error: Error| format!("the memory could not be made sparse: {}", error);
    let size = file.metadata().map_err(failed)?.len();
    let mut piece = vec![0; PIECE];
    let mut at = 0;
    while at < size {
        let count = (size - at).min(PIECE as u64) as usize;
        file.read_exact_at(&mut piece[..count], at).map_err(failed)?;
        for (start, length) in zeros(&piece[..count]) {
            punch_hole(file.as_raw_fd(), at + start, length).map_err(describe)?;
        }
        at += count as u64;
    }
    Ok(())
}

/// Start and length of what is whole pages of zeros.
fn zeros(piece: &[u8]) -> Vec<(u64, u64)> {
    let mut found: Vec<(u64, u64)> = Vec::new();
    for (index, page) in piece.chunks_exact(PAGE as usize).enumerate() {
        let start = index as u64 * PAGE;
        if page.iter().any(|byte| *byte != 0) {
            continue;
        }
        match found.last_mut() {
            Some((from, length)) if *from + *length == start => *length += PAGE,
            _ => found.push((start, PAGE)),
        }
    }
    found
}

/// Where the process has mapped the file.
fn mappings(pid: i32, file: &File) -> Result<Vec<Mapping>, Error> {
    let inode = file.metadata()?.ino();
    let found = read_to_string(format!("/proc/{}/maps", pid))?.lines().filter_map(|line| mapping(line, inode)).collect();
    Ok(found)
}

/// `START-END MODE OFFSET DEVICE INODE PATH`. Nothing else that the monitor maps is in memory alone.
fn mapping(line: &str, inode: u64) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    let offset = u64::from_str_radix(words.nth(1)?, 16).ok()?;
    let is_it = words.nth(1)?.parse::<u64>().ok()? == inode && words.next()?.starts_with("/memfd:");
    is_it.then(|| Mapping { address: start, file: offset..offset + (end - start) })
}

/// Addresses of the pages in `length` bytes from `address` that are the process's own.
fn own_pages(pages: &File, address: u64, length: u64) -> Result<Vec<Range<u64>>, Error> {
    let mut found: Vec<Range<u64>> = Vec::new();
    let mut entries = vec![0u8; (LOOK * 8) as usize];
    let (mut page, end) = (address / PAGE, (address + length) / PAGE);
    while page < end {
        let count = (end - page).min(LOOK);
        let entries = &mut entries[..count as usize * 8];
        pages.read_exact_at(entries, page * 8)?;
        for entry in entries.chunks_exact(8) {
            let bits = <[u8; 8]>::try_from(entry).map_or(0, u64::from_ne_bytes);
            if bits & (PRESENT | SWAPPED) != 0 && bits & OF_A_FILE == 0 {
                match found.last_mut() {
                    Some(last) if last.end == page * PAGE => last.end += PAGE,
                    _ => found.push(page * PAGE..(page + 1) * PAGE),
                }
            }
            page += 1;
        }
    }
    Ok(found)
}

fn copy(memory: &File, to: &File, addresses: Range<u64>, mut at: u64) -> Result<(), Error> {
    let mut buffer = vec![0; PIECE.min((addresses.end - addresses.start) as usize)];
    let mut address = addresses.start;
    while address < addresses.end {
        let piece = &mut buffer[..((addresses.end - address) as usize).min(PIECE)];
        memory.read_exact_at(piece, address)?;
        to.write_all_at(piece, at)?;
        address += piece.len() as u64;
        at += piece.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libc;
    use crate::syscalls::memory_file;

    #[test]
    fn zeros_become_holes_and_nothing_else_changes() {
        let file = memory_file("zeros", 0).unwrap();
        let mut bytes = vec![0; (PIECE + 3 * PAGE as usize) as usize];
        bytes[PAGE as usize * 2 + 9] = 1;
        bytes[PIECE + 5] = 2;
        file.write_all_at(&bytes, 0).unwrap();
        make_sparse(&file).unwrap();
        let mut left = vec![9; bytes.len()];
        file.read_exact_at(&mut left, 0).unwrap();
        assert!(left == bytes);
        assert_eq!(file.metadata().unwrap().blocks() * 512, 2 * PAGE);
    }

    #[test]
    fn what_was_written_and_what_was_not() {
        let pages = 8;
        let from = memory_file("from", pages * PAGE).unwrap();
        from.write_all_at(&[1; PAGE as usize], 0).unwrap();
        from.write_all_at(&[2; 2 * PAGE as usize], 3 * PAGE).unwrap();
        let length = (pages * PAGE) as usize;
        let (read_write, private) = (3, 2);
        let mapped = unsafe {
            let address = libc::mmap(std::ptr::null_mut(), length, read_write, private, from.as_raw_fd(), 0);
            std::slice::from_raw_parts_mut(address.cast::<u8>(), length)
        };
        mapped[3 * PAGE as usize] = 9;
        mapped[7 * PAGE as usize + 5] = 7;
        let to = memory_file("to", 0).unwrap();
        save(std::process::id() as i32, &from, &to).unwrap();
        let mut saved = vec![0; length];
        to.read_exact_at(&mut saved, 0).unwrap();
        assert!(saved == mapped);
        let holes = unsafe { libc::lseek(to.as_raw_fd(), PAGE as i64, libc::SEEK_DATA) };
        assert_eq!(holes, 3 * PAGE as i64);
    }
}
