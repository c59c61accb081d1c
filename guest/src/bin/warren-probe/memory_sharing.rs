//! What processes share by a number or a name: System V memory and POSIX message queues.

use crate::answer::{Answer, Attempt};
use crate::sockets::announce;
use crate::system::{self, by_machine, c_string, call, check};
use std::ptr::null_mut;
use std::time::Duration;

const IPC_CREAT: i32 = 0o1000;
const IPC_RMID: i32 = 0;
const O_RDWR_CREAT: i64 = 0o102;

pub fn find_segment(key: i64) -> Attempt {
    Ok(Answer::of(check(unsafe { system::shmget(key as i32, 0, 0) })))
}

pub fn hold_segment(key: i64, seconds: u64) -> Attempt {
    let id = check(unsafe { system::shmget(key as i32, 4096, IPC_CREAT | 0o666) })? as i32;
    announce();
    std::thread::sleep(Duration::from_secs(seconds));
    check(unsafe { system::shmctl(id, IPC_RMID, null_mut()) })?;
    Ok(Answer::closed("held"))
}

pub fn find_queue(name: &str) -> Attempt {
    let name = c_string(name);
    Ok(Answer::of(call(by_machine(240, 180), [name.as_ptr() as i64, 0, 0, 0, 0, 0])))
}

pub fn hold_queue(name: &str, seconds: u64) -> Attempt {
    let name = c_string(name);
    call(by_machine(240, 180), [name.as_ptr() as i64, O_RDWR_CREAT, 0o666, 0, 0, 0])?;
    announce();
    std::thread::sleep(Duration::from_secs(seconds));
    call(by_machine(241, 181), [name.as_ptr() as i64, 0, 0, 0, 0, 0])?;
    Ok(Answer::closed("held"))
}
