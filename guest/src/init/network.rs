use super::failed;
use crate::libc;
use crate::syscalls::{check, owned};
use std::net::Ipv4Addr;
use std::os::unix::io::AsRawFd;
use std::path::Path;

/// Set by the host on the kernel's command line: `ADDRESS,NETMASK,GATEWAY`.
const VARIABLE: &str = "WARREN_NETWORK";
const INTERFACE: &[u8] = b"eth0";
const UP_GATEWAY: u16 = 3;

/// struct ifreq, with an address.
#[repr(C)]
struct AddressRequest {
    name: [u8; 16],
    address: [u8; 16],
    rest: [u8; 8],
}

/// struct rtentry. What is left out is zero.
#[repr(C)]
struct Route {
    pad: u64,
    destination: [u8; 16],
    gateway: [u8; 16],
    mask: [u8; 16],
    flags: u16,
    rest: [u16; 3],
    more: [u64; 7],
}

/// Gives the machine's network device the address that every sandbox has, and raises the loopback.
pub fn configure() -> Result<(), String> {
    crate::agent::raise_loopback();
    let setting = std::env::var(VARIABLE).unwrap_or_default();
    let addresses: Vec<Ipv4Addr> = setting.split(',').filter_map(|text| text.parse().ok()).collect();
    let (address, mask, gateway) = match addresses[..] {
        [address, mask, gateway] if Path::new("/sys/class/net/eth0").exists() => (address, mask, gateway),
        _ => return Ok(()),
    };
    // As in a container, programs need no right for the ports below 1024.
    let _ = std::fs::write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
    let socket = owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) })
        .map_err(|errno| failed("configure the network", errno))?;
    for (call, value) in [(libc::SIOCSIFADDR, address), (libc::SIOCSIFNETMASK, mask)] {
        let request = AddressRequest { name: name(), address: socket_address(value), rest: [0; 8] };
        check(unsafe { libc::ioctl(socket.as_raw_fd(), call, &request) })
            .map_err(|errno| failed("give the network device its address", errno))?;
    }
    let mut request = libc::ifreq_flags::named(INTERFACE);
    request.flags = libc::IFF_UP;
    let any = socket_address(Ipv4Addr::UNSPECIFIED);
    let route = Route {
        pad: 0,
        destination: any,
        gateway: socket_address(gateway),
        mask: any,
        flags: UP_GATEWAY,
        rest: [0; 3],
        more: [0; 7],
    };
    let made = unsafe {
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &mut request))
            .and_then(|_| check(libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT, &route)))
    };
    made.map(drop).map_err(|errno| failed("make the way to the gateway", errno))
}

fn name() -> [u8; 16] {
    let mut name = [0; 16];
    name[..INTERFACE.len()].copy_from_slice(INTERFACE);
    name
}

/// struct sockaddr_in
fn socket_address(address: Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    bytes[4..8].copy_from_slice(&address.octets());
    bytes
}
