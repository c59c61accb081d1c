#[cfg(target_arch = "x86_64")]
use crate::libc::AF_UNIX;
#[cfg(target_arch = "x86_64")]
use crate::syscalls::{describe, filter_system_calls};

/// Calls that nothing of ours makes once the machine runs: whoever took us over would.
#[cfg(target_arch = "x86_64")]
const REFUSED: [u32; 31] = [
    57,  // fork
    58,  // vfork
    59,  // execve
    101, // ptrace
    155, // pivot_root
    161, // chroot
    165, // mount
    166, // umount2
    175, // init_module
    176, // delete_module
    246, // kexec_load
    248, // add_key
    249, // request_key
    250, // keyctl
    272, // unshare
    298, // perf_event_open
    303, // name_to_handle_at
    304, // open_by_handle_at
    308, // setns
    310, // process_vm_readv
    311, // process_vm_writev
    313, // finit_module
    320, // kexec_file_load
    321, // bpf
    322, // execveat
    323, // userfaultfd
    425, // io_uring_setup
    426, // io_uring_enter
    427, // io_uring_register
    428, // open_tree
    429, // move_mount
];
#[cfg(target_arch = "x86_64")]
/// Refused as well, unless the monitor must be connected to anew now and then: then only sockets of other kinds are.
#[cfg(target_arch = "x86_64")]
const SOCKET: u32 = 41;
#[cfg(target_arch = "x86_64")]
const CONNECT: u32 = 42;
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
/// In what the kernel tells a filter.
#[cfg(target_arch = "x86_64")]
const FIRST_ARGUMENT: u32 = 16;
/// Calls of the x32 interface have numbers from here on.
#[cfg(target_arch = "x86_64")]
const OTHER_INTERFACE: u32 = 0x4000_0000;

/// Refuses this thread, and those it starts, what the monitor never does. The machine itself has the filter of its own program.
#[cfg(target_arch = "x86_64")]
pub fn enter(connects: bool) -> Result<(), String> {
    let (load, equal, at_least, give) = (0x20, 0x15, 0x35, 0x06);
    let (refuse, end, allow) = (0x0005_0001, 0x8000_0000, 0x7fff_0000);
    let mut program = Vec::new();
    let mut add = |code: u16, if_true: u8, if_false: u8, value: u32| {
        program.extend_from_slice(&code.to_ne_bytes());
        program.extend_from_slice(&[if_true, if_false]);
        program.extend_from_slice(&value.to_ne_bytes());
    };
    add(load, 0, 0, 4);
    add(equal, 1, 0, ARCHITECTURE);
    add(give, 0, 0, end);
    add(load, 0, 0, 0);
    let mut refused = REFUSED.to_vec();
    if connects {
        add(equal, 0, 4, SOCKET);
        add(load, 0, 0, FIRST_ARGUMENT);
        add(equal, 0, 1, AF_UNIX as u32);
        add(give, 0, 0, allow);
        add(give, 0, 0, refuse);
        add(load, 0, 0, 0);
    } else {
        refused.extend([SOCKET, CONNECT]);
    }
    let count = refused.len() as u8;
    add(at_least, count + 1, 0, OTHER_INTERFACE);
    for (index, number) in refused.iter().enumerate() {
        add(equal, count - index as u8, 0, *number);
    }
    add(give, 0, 0, allow);
    add(give, 0, 0, refuse);
    filter_system_calls(&program).map_err(|errno| format!("cannot filter system calls: {}", describe(errno)))
}

#[cfg(not(target_arch = "x86_64"))]
pub fn enter(_connects: bool) -> Result<(), String> {
    Ok(())
}
