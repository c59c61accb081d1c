//! Starts the gateway of the sandboxes' network: opens its sockets in the namespace where the sandboxes' packets arrive, and
//! runs the program that serves them in the namespace from which connections may go out. A socket stays where it was made.

use crate::libc::{self, c_int, c_void};
use crate::syscalls::{check, describe, enter_network, errno_of};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::io::{AsRawFd, IntoRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Where the sockets wait until the others have left their places: giving one its own never closes another.
const PARKED: c_int = 100;
const SOCKETS: c_int = 3;
const STACK: usize = 256 * 1024;

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
    open_elsewhere(Sockets { router, address, port })?;
    if uplink != "-" {
        enter_network(uplink)?;
    }
    for number in 0..SOCKETS {
        check(unsafe { libc::dup2(PARKED + number, 3 + number) }).map_err(describe)?;
    }
    crate::syscalls::close_from(3 + SOCKETS as u32);
    let error = Command::new(&program[0]).args(&program[1..]).exec();
    Ok(format!("cannot run {}: {}", program[0], error))
}

struct Sockets<'a> {
    router: &'a str,
    address: &'a str,
    port: &'a str,
}

/// Opens them in a process of its own that shares our descriptors: an ordinary user who has entered the router's user
/// namespace has no way back.
fn open_elsewhere(sockets: Sockets) -> Result<(), String> {
    let mut stack = vec![0u8; STACK];
    let argument = &sockets as *const Sockets as *mut c_void;
    let kind = libc::CLONE_FILES | libc::SIGCHLD;
    let pid = check(unsafe { libc::clone(in_child, stack.as_mut_ptr().add(STACK).cast(), kind, argument) })
        .map_err(|errno| format!("cannot make a process: {}", describe(errno)))?;
    let mut status = 0;
    unsafe { libc::waitpid(pid, &mut status, 0) };
    if status == 0 {
        Ok(())
    } else {
        Err("its sockets could not be opened".to_string())
    }
}

extern "C" fn in_child(argument: *mut c_void) -> c_int {
    let sockets = unsafe { &*(argument as *const Sockets) };
    match open_sockets(sockets) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("gateway: {}", error);
            1
        }
    }
}

fn open_sockets(Sockets { router, address, port }: &Sockets) -> Result<(), String> {
    enter_network(router)?;
    let failed = |error: std::io::Error| format!("cannot open a socket: {}", describe(errno_of(&error)));
    let anywhere = TcpListener::bind(format!("0.0.0.0:{}", port)).map_err(failed)?;
    accept_for_any_address(anywhere.as_raw_fd())?;
    let questions = UdpSocket::bind((*address, 53)).map_err(failed)?;
    let long_questions = TcpListener::bind((*address, 53)).map_err(failed)?;
    let sockets = [anywhere.into_raw_fd(), questions.into_raw_fd(), long_questions.into_raw_fd()];
    for (place, socket) in (PARKED..).zip(sockets) {
        check(unsafe { libc::dup3(socket, place, libc::O_CLOEXEC) }).map_err(describe)?;
    }
    Ok(())
}

fn accept_for_any_address(socket: c_int) -> Result<(), String> {
    let on: c_int = 1;
    let value = &on as *const c_int as *const c_void;
    check(unsafe { libc::setsockopt(socket, libc::IPPROTO_IP, libc::IP_TRANSPARENT, value, 4) })
        .map(drop)
        .map_err(|errno| format!("cannot accept for any address: {}", describe(errno)))
}
