use crate::answer::{Answer, Attempt};
use crate::system::{call, in_child, ENOSYS};

const UNREACHED: i32 = 101;

/// Calls by the numbers of another processor mode, which a filter of numbers must not overlook. None of them does anything.
pub fn old_call(abi: &str) -> Option<Attempt> {
    let made: fn() -> i32 = match abi {
        "i386" => || if legacy_getpid() > 0 { 0 } else { UNREACHED },
        "x32" => || match call(0x4000_0000 | 39, [0; 6]) {
            Ok(_) => 0,
            Err(errno) => errno,
        },
        _ => return None,
    };
    Some(in_child(made).map(|status| match status {
        0 => Answer::open("the call went through"),
        ended if ended & 0x7f != 0 => Answer::closed(format!("killed by signal {}", ended & 0x7f)),
        ended if (ended >> 8) & 0xff == ENOSYS => Answer::closed("ENOSYS"),
        ended => Answer::closed(format!("error {}", (ended >> 8) & 0xff)),
    }))
}

#[cfg(target_arch = "x86_64")]
fn legacy_getpid() -> i32 {
    let result: i32;
    unsafe { std::arch::asm!("int 0x80", inlateout("eax") 20 => result, out("r8") _, out("r9") _, out("r10") _, out("r11") _) };
    result
}

#[cfg(not(target_arch = "x86_64"))]
fn legacy_getpid() -> i32 {
    -1
}
