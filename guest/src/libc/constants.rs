//! The kernel's numbers, for x86-64 and 64-bit ARM.

use super::{c_int, c_uint, c_ulong};

// Errors.
pub const E2BIG: c_int = 7;
pub const EACCES: c_int = 13;
pub const EBADF: c_int = 9;
pub const EAGAIN: c_int = 11;
pub const EBUSY: c_int = 16;
pub const EPIPE: c_int = 32;
pub const ECONNREFUSED: c_int = 111;
pub const EDQUOT: c_int = 122;
pub const EEXIST: c_int = 17;
pub const EFBIG: c_int = 27;
pub const EINTR: c_int = 4;
pub const EINVAL: c_int = 22;
pub const EIO: c_int = 5;
pub const EISDIR: c_int = 21;
pub const ELOOP: c_int = 40;
pub const EMFILE: c_int = 24;
pub const ENAMETOOLONG: c_int = 36;
pub const ENFILE: c_int = 23;
pub const ENODATA: c_int = 61;
pub const ENODEV: c_int = 19;
pub const ENOENT: c_int = 2;
pub const ENOEXEC: c_int = 8;
pub const ENOMEM: c_int = 12;
pub const ENOSPC: c_int = 28;
pub const ENOSYS: c_int = 38;
pub const ENOTDIR: c_int = 20;
pub const ENOTEMPTY: c_int = 39;
pub const ENOTTY: c_int = 25;
pub const ENXIO: c_int = 6;
pub const EOPNOTSUPP: c_int = 95;
pub const EPERM: c_int = 1;
pub const ERANGE: c_int = 34;
pub const EROFS: c_int = 30;
pub const ESRCH: c_int = 3;
pub const ETIMEDOUT: c_int = 110;
pub const ETXTBSY: c_int = 26;
pub const EXDEV: c_int = 18;

// Opening and descriptors.
pub const AT_FDCWD: c_int = -100;
pub const AT_REMOVEDIR: c_int = 0x200;
pub const AT_SYMLINK_NOFOLLOW: c_int = 0x100;
pub const AT_EMPTY_PATH: c_int = 0x1000;
pub const AT_RECURSIVE: c_int = 0x8000;
pub const FD_CLOEXEC: c_int = 1;
pub const F_GETFL: c_int = 3;
pub const F_SETFD: c_int = 2;
pub const F_SETFL: c_int = 4;
pub const LOCK_EX: c_int = 2;
pub const LOCK_NB: c_int = 4;
pub const F_DUPFD_CLOEXEC: c_int = 1030;
pub const F_ADD_SEALS: c_int = 1033;
pub const F_SEAL_SEAL: c_int = 1;
pub const F_SEAL_SHRINK: c_int = 2;
pub const F_SEAL_GROW: c_int = 4;
pub const F_SEAL_WRITE: c_int = 8;
pub const MFD_CLOEXEC: c_uint = 1;
pub const MFD_ALLOW_SEALING: c_uint = 2;
pub const O_CLOEXEC: c_int = 0x80000;
pub const O_NOCTTY: c_int = 0x100;
pub const O_NONBLOCK: c_int = 0x800;
pub const O_CREAT: c_int = 0o100;
pub const O_TRUNC: c_int = 0o1000;
pub const O_RDONLY: c_int = 0;
pub const O_RDWR: c_int = 2;
pub const O_PATH: c_int = 0o10_000_000;
pub const O_WRONLY: c_int = 1;
pub const SEEK_DATA: c_int = 3;
pub const SEEK_HOLE: c_int = 4;
pub const SEEK_SET: c_int = 0;
pub const EFD_CLOEXEC: c_int = 0x80000;
pub const EFD_NONBLOCK: c_int = 0x800;
pub const S_IFBLK: u32 = 0o060000;
pub const S_IFIFO: u32 = 0o010000;
pub const S_IFCHR: u32 = 0o020000;

// Polling.
pub const POLLIN: i16 = 1;
pub const POLLOUT: i16 = 4;
pub const POLLERR: i16 = 8;
pub const POLLHUP: i16 = 16;
pub const POLLNVAL: i16 = 32;

// Signals.
pub const SIGCHLD: c_int = 17;
pub const SIGHUP: c_int = 1;
pub const SIGINT: c_int = 2;
pub const SIGKILL: c_int = 9;
pub const SIGPIPE: c_int = 13;
pub const SIGTERM: c_int = 15;
pub const SIG_BLOCK: c_int = 0;
pub const SIG_SETMASK: c_int = 2;
pub const SIG_DFL: usize = 0;
pub const SIG_IGN: usize = 1;
pub const SFD_CLOEXEC: c_int = 0x80000;
pub const SFD_NONBLOCK: c_int = 0x800;

// Processes.
pub const CLONE_FILES: c_int = 0x400;
pub const CLONE_NEWUSER: c_int = 0x1000_0000;
pub const CLONE_NEWNET: c_int = 0x4000_0000;
pub const CLONE_NEWIPC: c_int = 0x8000000;
pub const CLONE_NEWNS: c_int = 0x20000;
pub const CLONE_NEWUTS: c_int = 0x4000000;
pub const CLOCK_REALTIME: c_int = 0;
pub const CLONE_VFORK: c_int = 0x4000;
pub const CLONE_VM: c_int = 0x100;
pub const PR_SET_CHILD_SUBREAPER: c_int = 36;
pub const PR_SET_DUMPABLE: c_int = 4;
pub const PR_SET_PDEATHSIG: c_int = 1;
pub const PR_SET_NO_NEW_PRIVS: c_int = 38;
pub const PR_SET_SECCOMP: c_int = 22;
pub const SECCOMP_MODE_FILTER: u64 = 2;
pub const P_ALL: c_int = 0;
pub const WEXITED: c_int = 4;
pub const WNOHANG: c_int = 1;
pub const WNOWAIT: c_int = 0x1000000;
pub const RLIMIT_CORE: c_int = 4;
pub const RLIMIT_FSIZE: c_int = 1;
pub const RLIMIT_NOFILE: c_int = 7;
pub const RLIMIT_NPROC: c_int = 6;
pub const RUSAGE_CHILDREN: c_int = -1;
pub const _SC_CLK_TCK: c_int = 2;
pub const _SC_PAGESIZE: c_int = 30;
pub const M_ARENA_MAX: c_int = -8;
pub const M_MMAP_THRESHOLD: c_int = -3;
pub const M_TRIM_THRESHOLD: c_int = -1;

// Sockets.
pub const AF_INET: c_int = 2;
pub const SOCK_CLOEXEC: c_int = 0x80000;
pub const SOCK_NONBLOCK: c_int = 0x800;
pub const IPPROTO_IP: c_int = 0;
pub const IP_TRANSPARENT: c_int = 19;
pub const SOCK_DGRAM: c_int = 2;
pub const SHUT_WR: c_int = 1;
pub const SHUT_RDWR: c_int = 2;
pub const AF_UNIX: c_int = 1;
pub const AF_VSOCK: c_int = 40;
/// Every address of our own; and that of the host, for its guests.
pub const VMADDR_CID_ANY: u32 = u32::MAX;
pub const VMADDR_CID_HOST: u32 = 2;
pub const FALLOC_FL_KEEP_SIZE: c_int = 1;
pub const FALLOC_FL_PUNCH_HOLE: c_int = 2;
pub const SOCK_STREAM: c_int = 1;
pub const SO_PASSCRED: c_int = 16;
pub const SCM_CREDENTIALS: c_int = 2;
pub const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
pub const MSG_CTRUNC: c_int = 8;
pub const TCGETS: c_ulong = 0x5401;
pub const TCSETS: c_ulong = 0x5402;
pub const TIOCGWINSZ: c_ulong = 0x5413;
pub const IXON: u32 = 0o2000;
pub const ICRNL: u32 = 0o400;
pub const BRKINT: u32 = 2;
pub const ISTRIP: u32 = 0o40;
pub const INLCR: u32 = 0o100;
pub const IGNCR: u32 = 0o200;
pub const OPOST: u32 = 1;
pub const ECHO: u32 = 0o10;
pub const ICANON: u32 = 2;
pub const ISIG: u32 = 1;
pub const IEXTEN: u32 = 0o100000;
pub const SIGQUIT: c_int = 3;
pub const SIGUSR1: c_int = 10;
pub const SIGUSR2: c_int = 12;
pub const SO_RCVTIMEO: c_int = 20;
pub const SOL_SOCKET: c_int = 1;
pub const SCM_RIGHTS: c_int = 1;
pub const MSG_DONTWAIT: c_int = 64;
pub const MSG_NOSIGNAL: c_int = 0x4000;
pub const IFF_UP: i16 = 1;

// Requests to devices.
pub const FICLONE: c_ulong = 0x40049409;
pub const NS_GET_USERNS: c_ulong = 0xb701;
pub const FIONREAD: c_ulong = 0x541b;
pub const RNDADDENTROPY: c_ulong = 0x40085203;
pub const RNDRESEEDCRNG: c_ulong = 0x5207;
pub const PR_CAPBSET_DROP: c_int = 24;
pub const SIOCADDRT: c_ulong = 0x890b;
pub const SIOCSIFADDR: c_ulong = 0x8916;
pub const SIOCSIFNETMASK: c_ulong = 0x891c;
pub const TUNSETIFF: c_ulong = 0x4004_54ca;
pub const TUNSETPERSIST: c_ulong = 0x4004_54cb;
pub const TUNSETOWNER: c_ulong = 0x4004_54cc;
pub const IFF_TAP: i16 = 2;
pub const IFF_NO_PI: i16 = 0x1000;
pub const IFF_VNET_HDR: i16 = 0x4000;
pub const SIOCGIFFLAGS: c_ulong = 0x8913;
pub const SIOCSIFFLAGS: c_ulong = 0x8914;
pub const TIOCGPTN: c_ulong = 0x80045430;
pub const TIOCGPTPEER: c_ulong = 0x5441;
pub const TIOCSCTTY: c_ulong = 0x540e;
pub const TIOCSPTLCK: c_ulong = 0x40045431;
pub const TIOCSWINSZ: c_ulong = 0x5414;
pub const LOOP_CONFIGURE: c_ulong = 0x4c0a;
pub const LOOP_CTL_GET_FREE: c_ulong = 0x4c82;
pub const LOOP_SET_FD: c_ulong = 0x4c00;
pub const LOOP_SET_STATUS64: c_ulong = 0x4c04;
pub const LOOP_GET_STATUS64: c_ulong = 0x4c05;
pub const LOOP_SET_DIRECT_IO: c_ulong = 0x4c08;
pub const LO_FLAGS_AUTOCLEAR: u32 = 0x4;

// Mounts.
pub const MS_NOATIME: c_ulong = 0x400;
pub const MS_RDONLY: c_ulong = 1;
pub const MS_NOSUID: c_ulong = 2;
pub const MS_REMOUNT: c_ulong = 32;
pub const MS_BIND: c_ulong = 4096;
pub const MS_NODEV: c_ulong = 0x4;
pub const MS_NOEXEC: c_ulong = 0x8;
pub const MS_REC: c_ulong = 0x4000;
pub const MOUNT_ATTR_RDONLY: u64 = 0x1;
pub const MOUNT_ATTR_NOSUID: u64 = 0x2;
pub const MOUNT_ATTR_NODEV: u64 = 0x4;
pub const MS_MOVE: c_ulong = 8192;
pub const MS_SLAVE: c_ulong = 0x80000;
pub const MNT_DETACH: c_int = 2;
pub const OPEN_TREE_CLONE: c_int = 1;
pub const MOVE_MOUNT_F_EMPTY_PATH: c_int = 4;
pub const MOUNT_ATTR_IDMAP: u64 = 0x0010_0000;

// Mapping.
pub const MAP_ANONYMOUS: c_int = 0x20;
pub const MAP_SHARED: c_int = 1;
pub const PROT_READ: c_int = 1;
pub const PROT_WRITE: c_int = 2;

// Watching.
pub const IN_CLOEXEC: c_int = 0x80000;
pub const IN_NONBLOCK: c_int = 0x800;
pub const IN_ATTRIB: u32 = 0x4;
pub const IN_CREATE: u32 = 0x100;
pub const IN_DELETE: u32 = 0x200;
pub const IN_DELETE_SELF: u32 = 0x400;
pub const IN_DONT_FOLLOW: u32 = 0x2000000;
pub const IN_IGNORED: u32 = 0x8000;
pub const IN_ISDIR: u32 = 0x40000000;
pub const IN_MODIFY: u32 = 0x2;
pub const IN_MOVED_FROM: u32 = 0x40;
pub const IN_MOVED_TO: u32 = 0x80;
pub const IN_MOVE_SELF: u32 = 0x800;
pub const IN_ONLYDIR: u32 = 0x1000000;
pub const IN_Q_OVERFLOW: u32 = 0x4000;

// What differs between the two.
#[cfg(target_arch = "x86_64")]
mod by_architecture {
    use super::c_int;

    pub const O_DIRECTORY: c_int = 0o200_000;
    pub const O_NOFOLLOW: c_int = 0o400_000;
    pub const SYS_FINIT_MODULE: i64 = 313;
    pub const SYS_MEMFD_CREATE: i64 = 319;
    pub const SYS_SETGROUPS: i64 = 116;
    pub const SYS_SETRESUID: i64 = 117;
    pub const SYS_SETRESGID: i64 = 119;
}
#[cfg(target_arch = "aarch64")]
mod by_architecture {
    use super::c_int;

    pub const O_DIRECTORY: c_int = 0o40_000;
    pub const O_NOFOLLOW: c_int = 0o100_000;
    pub const SYS_SETRESUID: i64 = 147;
    pub const SYS_SETRESGID: i64 = 149;
    pub const SYS_FINIT_MODULE: i64 = 273;
    pub const SYS_MEMFD_CREATE: i64 = 279;
    pub const SYS_SETGROUPS: i64 = 159;
}
pub use by_architecture::*;
pub const SYS_CLOSE_RANGE: i64 = 436;
pub const SYS_OPEN_TREE: i64 = 428;
pub const SYS_MOVE_MOUNT: i64 = 429;
pub const SYS_FSOPEN: i64 = 430;
pub const SYS_FSCONFIG: i64 = 431;
pub const SYS_FSMOUNT: i64 = 432;
pub const SYS_MOUNT_SETATTR: i64 = 442;
pub const MOVE_MOUNT_T_EMPTY_PATH: i64 = 0x40;
pub const FSCONFIG_SET_STRING: i64 = 1;
pub const FSCONFIG_CMD_CREATE: i64 = 6;
pub const MOUNT_ATTR_NOATIME: u64 = 0x10;

// Ending a machine.
pub const RB_AUTOBOOT: c_int = 0x1234567;
