use crate::answer::{Answer, Attempt};
use crate::system::{by_machine, c_string, call as raw, c_long, AT_FDCWD};

/// Calls that no program in a sandbox needs, with arguments that fail, or do nothing, behind the check of permission.
/// None for a name that is not known.
pub fn call(name: &str) -> Option<Attempt> {
    let nowhere = c_string("/warren-no-such-file");
    let nowhere = nowhere.as_ptr() as c_long;
    let root = c_string("/");
    let root = root.as_ptr() as c_long;
    let tmpfs = c_string("tmpfs");
    let tmpfs = tmpfs.as_ptr() as c_long;
    let mut zeros = [0u64; 64];
    let buffer = zeros.as_mut_ptr() as c_long;
    let own = std::process::id() as c_long;
    let wrong: c_long = -1;
    let (number, arguments): (c_long, [c_long; 6]) = match name {
        "init_module" => (by_machine(175, 105), [0; 6]),
        "kexec_load" => (by_machine(246, 104), [0, 0, 0, wrong, 0, 0]),
        "reboot" => (by_machine(169, 142), [0; 6]),
        "bpf" => (by_machine(321, 280), [0; 6]),
        "perf_event_open" => (by_machine(298, 241), [0; 6]),
        "fanotify_init" => (by_machine(300, 262), [0; 6]),
        "quotactl" => (by_machine(179, 60), [0x7fff_0000, 0, 0, 0, 0, 0]),
        "userfaultfd" => (by_machine(323, 282), [0; 6]),
        "io_uring_setup" => (425, [1, 0, 0, 0, 0, 0]),
        "io_uring_enter" => (426, [wrong, 0, 0, 0, 0, 0]),
        "io_uring_register" => (427, [wrong, 0, 0, 0, 0, 0]),
        "keyctl" => (by_machine(250, 219), [0, -3, 0, 0, 0, 0]),
        "add_key" => (by_machine(248, 217), [0; 6]),
        "request_key" => (by_machine(249, 218), [0; 6]),
        "ptrace" => (by_machine(101, 117), [0; 6]),
        "process_vm_readv" => (by_machine(310, 270), [own, 0, 0, 0, 0, 0]),
        "process_vm_writev" => (by_machine(311, 271), [own, 0, 0, 0, 0, 0]),
        "kcmp" => (by_machine(312, 272), [own, own, 0, 0, 0, 0]),
        "pidfd_getfd" => (438, [wrong, 0, 0, 0, 0, 0]),
        "process_madvise" => (440, [wrong, 0, 0, 0, 0, 0]),
        "fsopen" => (430, [tmpfs, 0, 0, 0, 0, 0]),
        "fspick" => (433, [AT_FDCWD, root, 0, 0, 0, 0]),
        "open_tree" => (428, [AT_FDCWD, root, 1, 0, 0, 0]),
        "move_mount" => (429, [wrong, root, wrong, root, 0, 0]),
        "mount_setattr" => (442, [AT_FDCWD, root, 0, buffer, 32, 0]),
        "pivot_root" => (by_machine(155, 41), [nowhere, nowhere, 0, 0, 0, 0]),
        "swapon" => (by_machine(167, 224), [nowhere, 0, 0, 0, 0, 0]),
        "swapoff" => (by_machine(168, 225), [nowhere, 0, 0, 0, 0, 0]),
        "open_by_handle_at" => (by_machine(304, 265), [wrong, 0, 0, 0, 0, 0]),
        "name_to_handle_at" => (by_machine(303, 264), [AT_FDCWD, root, buffer, buffer, 0, 0]),
        "acct" => (by_machine(163, 89), [nowhere, 0, 0, 0, 0, 0]),
        "adjtimex" => (by_machine(159, 171), [buffer, 0, 0, 0, 0, 0]),
        "clock_adjtime" => (by_machine(305, 266), [0, buffer, 0, 0, 0, 0]),
        "settimeofday" => (by_machine(164, 170), [0; 6]),
        "sethostname" => (by_machine(170, 161), [0, 4096, 0, 0, 0, 0]),
        "setdomainname" => (by_machine(171, 162), [0, 4096, 0, 0, 0, 0]),
        "syslog" => (by_machine(103, 116), [10, 0, 0, 0, 0, 0]),
        "iopl" if cfg!(target_arch = "x86_64") => (172, [3, 0, 0, 0, 0, 0]),
        "modify_ldt" if cfg!(target_arch = "x86_64") => (154, [0; 6]),
        "move_pages" => (by_machine(279, 239), [own, 0, 0, 0, 0, 0]),
        "migrate_pages" => (by_machine(256, 238), [own, 0, 0, 0, 0, 0]),
        "chroot" => (by_machine(161, 51), [root, 0, 0, 0, 0, 0]),
        _ => return None,
    };
    Some(Ok(Answer::reached(raw(number, arguments))))
}
