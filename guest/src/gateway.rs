//! Starts the gateway of the sandboxes' network: opens its sockets in the namespace where the sandboxes' packets arrive, and
//! runs the program that serves them in the namespace from which connections may go out. A socket stays where it was made.

use crate::libc::{self, c_int, c_void};
use crate::syscalls::{c_string, check, describe, enter_network, errno_of, open};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::io::{AsRawFd, IntoRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// `gateway ROUTER UPLINK ADDRESS PORT -- PROGRAM…`. UPLINK `-` is the namespace this is started in.
/// The program finds the sockets as descriptors 3 (connections to anywhere), 4 (DNS by UDP) and 5 (DNS by TCP).
pub fn main(arguments: &[String]) -> i32 {
    let error = run(arguments).unwrap_or_else(|error| error);
    eprintln!("gateway: {}", error);
    1
}

fn run(arguments: &[String]) -> Result<String, String> {
    let (router, uplink, address, port, program) = match arguments {
        [router, uplink, address, port, mark, program @ ..] if mark == "--" && !program.is_empty() => {
            (router, uplink, address, port, program)
        }
        _ => return Err("usage: gateway ROUTER UPLINK ADDRESS PORT -- PROGRAM…".to_string()),
    };
    let uplink = if uplink == "-" { "/proc/self/ns/net" } else { uplink };
    let path = c_string(uplink.as_bytes()).map_err(describe)?;
    let home = open(&path, libc::O_RDONLY, 0).map_err(|errno| format!("{}: {}", uplink, describe(errno)))?;

    enter_network(router)?;
    let failed = |error: std::io::Error| format!("cannot open a socket: {}", describe(errno_of(&error)));
    let anywhere = TcpListener::bind(format!("0.0.0.0:{}", port)).map_err(failed)?;
    accept_for_any_address(anywhere.as_raw_fd())?;
    let questions = UdpSocket::bind((address.as_str(), 53)).map_err(failed)?;
    let long_questions = TcpListener::bind((address.as_str(), 53)).map_err(failed)?;
    check(unsafe { libc::setns(home.as_raw_fd(), libc::CLONE_NEWNET) }).map_err(describe)?;
    drop(home);

    // Out of the way first, so that giving one its place never closes another.
    let sockets = [anywhere.into_raw_fd(), questions.into_raw_fd(), long_questions.into_raw_fd()];
    let mut parked = [0; 3];
    for (place, socket) in parked.iter_mut().zip(sockets) {
        *place = check(unsafe { libc::fcntl(socket, libc::F_DUPFD_CLOEXEC, 100) }).map_err(describe)?;
    }
    for (wanted, socket) in (3..).zip(parked) {
        check(unsafe { libc::dup2(socket, wanted) }).map_err(describe)?;
    }
    crate::syscalls::close_from(6);
    let error = Command::new(&program[0]).args(&program[1..]).exec();
    Ok(format!("cannot run {}: {}", program[0], error))
}

fn accept_for_any_address(socket: c_int) -> Result<(), String> {
    let on: c_int = 1;
    let value = &on as *const c_int as *const c_void;
    check(unsafe { libc::setsockopt(socket, libc::IPPROTO_IP, libc::IP_TRANSPARENT, value, 4) })
        .map(drop)
        .map_err(|errno| format!("cannot accept for any address: {}", describe(errno)))
}
