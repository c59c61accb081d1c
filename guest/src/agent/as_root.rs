//! Root for programs inside, where set-user-id programs are of no use: who may become root anyway asks us to start something.
//! Nobody gets more here than whoever asks from outside for user root: what is started runs in this sandbox, below us.

use super::connection::Connection;
use super::host_socket::HostSocket;
use super::users::{find_user, own_uid};
use super::{exec, Agent};
use crate::failure::Failure;
use crate::frames::{kind, Fields};
use crate::libc::{self, c_int, c_void};
use crate::sudo::{address, GO, SOCKET};
use crate::syscalls::{check, owned, send, Errno};
use std::os::unix::io::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const STACK: usize = 128 * 1024;
const BACKLOG: c_int = 64;
/// Asked for at the same time; each has a thread of ours.
const MOST: usize = 64;
/// Who is in it may become root, as everywhere.
const GROUP: &str = "sudo";
/// So may the user that a sandbox is for.
const USER: &str = "user";
const PATIENCE: Duration = Duration::from_secs(5);

static ACTIVE: AtomicUsize = AtomicUsize::new(0);

/// Waits for programs that ask. Only where we are root ourselves.
pub fn start(agent: &'static Agent) {
    if own_uid() != 0 {
        return;
    }
    if let Ok(listener) = listen() {
        let _ = thread::Builder::new().stack_size(STACK).spawn(move || wait(agent, listener));
    }
}

fn listen() -> Result<OwnedFd, Errno> {
    let socket = owned(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    let (name, length) = address(SOCKET);
    check(unsafe { libc::bind(socket.as_raw_fd(), &name, length) })?;
    check(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) })?;
    Ok(socket)
}

fn wait(agent: &'static Agent, listener: OwnedFd) {
    loop {
        let accepted = unsafe {
            libc::accept4(listener.as_raw_fd(), std::ptr::null_mut(), std::ptr::null_mut(), libc::SOCK_CLOEXEC)
        };
        match owned(accepted) {
            Ok(socket) => admit(agent, socket),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn admit(agent: &'static Agent, socket: OwnedFd) {
    let connection = Connection::new(HostSocket::new(socket));
    if ACTIVE.fetch_add(1, Ordering::SeqCst) >= MOST {
        ACTIVE.fetch_sub(1, Ordering::SeqCst);
        let _ = connection.fail(&Failure::new("limit", "too many programs run as root by way of sudo"));
        return;
    }
    let started = thread::Builder::new().stack_size(STACK).spawn(move || {
        serve(agent, connection);
        ACTIVE.fetch_sub(1, Ordering::SeqCst);
    });
    if started.is_err() {
        ACTIVE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Nothing but a start is to be had here.
fn serve(agent: &'static Agent, mut connection: Connection) {
    connection.give_up_reading_after(PATIENCE);
    if !peer_uid(connection.fd()).map_or(false, may_become_root) {
        let _ = connection.fail(&Failure::new("permission_denied", "this user may not become root"));
        return;
    }
    let frame = match connection.receive() {
        Ok(Some(frame)) => frame,
        _ => return,
    };
    let _ = match Fields::parse(&frame.payload) {
        Ok(fields) if frame.kind == kind::EXEC => exec::exec(agent, connection, &fields),
        _ => connection.fail(&Failure::new("unsupported", "only programs can be started here")),
    };
}

/// Who is at the other end, by what the kernel adds to a byte that it is told to send now. What SO_PEERCRED answers would be
/// less to ask for, but in gVisor that is ourselves.
fn peer_uid(socket: RawFd) -> Option<u32> {
    pass_credentials(socket, true)?;
    send(socket, &[GO], 0).ok()?;
    let mut byte = [0u8; 1];
    let vector = libc::iovec { iov_base: byte.as_mut_ptr() as *const c_void, iov_len: 1 };
    let mut control = libc::cmsg_credentials::default();
    let mut message = libc::msghdr {
        msg_name: std::ptr::null(),
        msg_namelen: 0,
        msg_iov: &vector,
        msg_iovlen: 1,
        msg_control: &mut control as *mut libc::cmsg_credentials as *const c_void,
        msg_controllen: std::mem::size_of::<libc::cmsg_credentials>(),
        msg_flags: 0,
    };
    let received = unsafe { libc::recvmsg(socket, &mut message, libc::MSG_CMSG_CLOEXEC) };
    let are_credentials = control.cmsg_level == libc::SOL_SOCKET
        && control.cmsg_type == libc::SCM_CREDENTIALS
        && message.msg_controllen >= libc::CREDENTIALS_LENGTH
        && message.msg_flags & libc::MSG_CTRUNC == 0;
    pass_credentials(socket, false)?;
    (received == 1 && are_credentials).then(|| control.credentials.uid)
}

fn pass_credentials(socket: RawFd, on: bool) -> Option<()> {
    let value = on as c_int;
    let place = &value as *const c_int as *const c_void;
    let set = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_PASSCRED, place, 4) };
    (set == 0).then(|| ())
}

/// The sandbox's own accounts decide, which only its root can change.
fn may_become_root(uid: u32) -> bool {
    if uid == 0 {
        return true;
    }
    let user = match find_user(Some(uid.to_string().as_bytes())) {
        Ok(user) => user,
        Err(_) => return false,
    };
    let group = super::users::find_group(GROUP).ok();
    user.name == USER || group.map_or(false, |group| user.groups.contains(&group) || user.gid == group)
}
