use super::Agent;
use crate::failure::Outcome;
use crate::frames::Fields;
use crate::libc;
use crate::syscalls::owned;
use std::os::unix::io::AsRawFd;

/// Sets what a sandbox gets when it is claimed: its default environment, fresh randomness, its name.
pub fn configure(agent: &Agent, fields: &Fields) -> Outcome<Vec<u8>> {
    let env: Vec<Vec<u8>> = fields.all(1).map(<[u8]>::to_vec).collect();
    if let Ok(mut current) = agent.default_env.lock() {
        *current = env;
    }
    if let Some(seed) = fields.get(3) {
        let _ = std::fs::write("/dev/urandom", seed);
    }
    if let Some(name) = fields.get(4) {
        unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) };
    }
    Ok(Vec::new())
}

/// A new network namespace starts with its loopback down. Best effort: it may be up already, or not ours.
pub fn raise_loopback() {
    let socket = match owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }) {
        Ok(socket) => socket,
        Err(_) => return,
    };
    let mut request = libc::ifreq_flags::named(b"lo");
    unsafe {
        if libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &mut request) == 0 && request.flags & libc::IFF_UP == 0 {
            request.flags |= libc::IFF_UP;
            libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request);
        }
    }
}
