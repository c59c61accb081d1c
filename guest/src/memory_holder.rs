//! The holder of a template's memory: a sealed file in memory that machines map and none of them can change. It lives as
//! long as the platform that started it; a machine keeps what it has mapped.

use crate::libc;
use crate::sparse_copy::copy_sparse_file;
use crate::syscalls::{check, describe, memory_file, read, write};
use std::fs::File;
use std::os::unix::io::AsRawFd;

/// `hold FILE`: tells the descriptor in one line on stdout, then stays until its stdin ends.
pub fn main(arguments: &[String]) -> i32 {
    match arguments {
        [path] => match hold(path) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("warren-guest: {}", error);
                1
            }
        },
        _ => {
            eprintln!("usage: warren-guest hold FILE");
            2
        }
    }
}

fn hold(path: &str) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("cannot open {}: {}", path, error))?;
    let memory = memory_file("template", 0).map_err(describe)?;
    copy_sparse_file(&file, &memory).map_err(|errno| format!("cannot load {}: {}", path, describe(errno)))?;
    let seals = libc::F_SEAL_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
    check(unsafe { libc::fcntl(memory.as_raw_fd(), libc::F_ADD_SEALS, seals) }).map_err(describe)?;
    write(1, format!("{}\n", memory.as_raw_fd()).as_bytes()).map_err(describe)?;
    while read(0, &mut [0; 64]).map_or(false, |count| count > 0) {}
    Ok(())
}
