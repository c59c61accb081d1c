use crate::libc;
use crate::syscalls::{c_string, check, describe, open};
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::process::Command;

/// `$1` is the interface of the sandbox's network. A filter that takes all there is: not every kernel has `matchall`.
const JOIN: &str = r#"
tc qdisc del dev "$1" clsact 2>/dev/null || true
ip link set vm0 addrgenmode none
ip link set vm0 up
join() {
  tc qdisc add dev "$1" clsact
  tc filter add dev "$1" ingress protocol all u32 match u32 0 0 action mirred egress redirect dev "$2"
}
join "$1" vm0
join vm0 "$1"
"#;

/// A tap device `vm0` in the network namespace that we are in, whose packets are those of `interface` there: what comes to the
/// one goes out of the other, before the host's kernel looks at it. It goes with the descriptor. A monitor that opens it by
/// its name itself is its `owner`: then it stays, until the sandbox's network is made new. Must be root.
pub fn open_tap(interface: &str, owner: Option<u32>) -> Result<OwnedFd, String> {
    let failed = |errno| format!("cannot make a network device for the machine: {}", describe(errno));
    let tap = open(&c_string(b"/dev/net/tun").map_err(failed)?, libc::O_RDWR, 0).map_err(failed)?;
    let mut request = libc::ifreq_flags::named(b"vm0");
    request.flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETIFF, &mut request) }).map_err(failed)?;
    if let Some(uid) = owner {
        check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETOWNER, uid as u64) }).map_err(failed)?;
        check(unsafe { libc::ioctl(tap.as_raw_fd(), libc::TUNSETPERSIST, 1u64) }).map_err(failed)?;
    }
    let mut join = Command::new("/bin/sh");
    join.args(["-euc", JOIN, "join", interface]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let joined = join.output().map_err(|error| format!("cannot run sh: {}", error))?;
    if !joined.status.success() {
        return Err(format!("cannot join the machine to its network: {}", String::from_utf8_lossy(&joined.stderr).trim()));
    }
    Ok(tap)
}
