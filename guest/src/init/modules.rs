use super::failed;
use crate::libc;
use crate::syscalls::{c_string, check, open};
use std::os::unix::io::AsRawFd;

/// Beside the modules: their names, each after those it needs.
const LIST: &str = "/modules/list";

/// Loads the kernel modules that the initial file system brings. A kernel that has them built in needs none.
pub fn load() -> Result<(), String> {
    for name in std::fs::read_to_string(LIST).unwrap_or_default().lines() {
        let path = c_string(format!("/modules/{}", name).as_bytes()).unwrap_or_default();
        let loaded = open(&path, libc::O_RDONLY, 0).and_then(|file| {
            let options = b"\0".as_ptr();
            check(unsafe { libc::syscall(libc::SYS_FINIT_MODULE, file.as_raw_fd(), options, 0) } as i32)
        });
        match loaded {
            Ok(_) | Err(libc::EEXIST) => {}
            Err(errno) => return Err(failed(&format!("load the kernel module {}", name), errno)),
        }
    }
    Ok(())
}
