use crate::libc::{self, pollfd, POLLERR, POLLHUP, POLLIN, POLLOUT};
use crate::mux::{Engine, LARGEST_PAYLOAD};
use crate::syscalls::{check, owned, poll, poll_entry, read, set_nonblocking, write, Errno};
use std::fs::OpenOptions;
use std::os::unix::io::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// Nobody at the other end, or a host that does not keep to the protocol: it will greet us again.
const UNTIL_SOMEBODY_COMES: Duration = Duration::from_millis(20);
/// On the machine's vsock. The host's number for it is in the driver of the monitor.
const PORT: u32 = 1024;

/// What carries the streams.
pub struct Line {
    /// A vsock; then the line is the host's last connection to it.
    listener: Option<OwnedFd>,
    fd: Option<OwnedFd>,
}

/// A serial line. It is there for as long as the machine.
pub fn open(path: &str) -> Result<Line, String> {
    let line = OpenOptions::new().read(true).write(true).open(path);
    let line = line.map_err(|error| format!("cannot open {}: {}", path, error))?;
    set_nonblocking(line.as_raw_fd()).map_err(|errno| super::failed("use the serial line", errno))?;
    Ok(Line { listener: None, fd: Some(line.into()) })
}

/// The machine's vsock, to which the host connects.
pub fn listen() -> Result<Line, String> {
    let make = || -> Result<OwnedFd, Errno> {
        let flags = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let socket = owned(unsafe { libc::socket(libc::AF_VSOCK, flags, 0) })?;
        let address = libc::sockaddr_vm {
            family: libc::AF_VSOCK as u16,
            port: PORT,
            cid: libc::VMADDR_CID_ANY,
            ..Default::default()
        };
        let length = std::mem::size_of::<libc::sockaddr_vm>() as u32;
        check(unsafe { libc::bind(socket.as_raw_fd(), (&address as *const libc::sockaddr_vm).cast(), length) })?;
        check(unsafe { libc::listen(socket.as_raw_fd(), 4) })?;
        Ok(socket)
    };
    let listener = make().map_err(|errno| super::failed("listen on the vsock", errno))?;
    Ok(Line { listener: Some(listener), fd: None })
}

/// Answers with the connections that the host makes over the line.
pub fn carry_on(line: Line) -> Result<Receiver<UnixStream>, String> {
    let (connections, taken) = channel();
    let carrier = thread::Builder::new().stack_size(256 * 1024).spawn(move || carry(line, connections));
    carrier.map(|_| taken).map_err(|error| format!("cannot start a thread: {}", error))
}

fn carry(mut line: Line, connections: Sender<UnixStream>) {
    let mut engine = Engine::guest();
    loop {
        let writes = if engine.sendable().is_empty() { 0 } else { POLLOUT };
        let fixed = [poll_entry(number(&line.listener), POLLIN), poll_entry(number(&line.fd), POLLIN | writes)];
        let mut entries: Vec<pollfd> = fixed.into_iter().chain(engine.poll_entries()).collect();
        poll(&mut entries, -1);
        engine.step(&entries[2..]);
        let over = entries[1].revents & (POLLHUP | POLLERR) != 0;
        if over && line.listener.is_none() {
            thread::sleep(UNTIL_SOMEBODY_COMES);
        }
        let said_all = match &line.fd {
            Some(fd) if entries[1].revents & POLLIN != 0 => receive(fd.as_raw_fd(), &mut engine, &connections),
            _ => over,
        };
        if said_all && line.listener.is_some() {
            line.fd = None;
        }
        if entries[0].revents != 0 {
            accept(&mut line, &mut engine);
        }
        if let Some(fd) = &line.fd {
            flush(fd.as_raw_fd(), &mut engine);
        }
    }
}

fn number(fd: &Option<OwnedFd>) -> RawFd {
    fd.as_ref().map_or(-1, |fd| fd.as_raw_fd())
}

/// The newest connection is the line. Programs of the guest's own can connect as well: whoever is not the host is hung up on.
fn accept(line: &mut Line, engine: &mut Engine) {
    let mut peer = libc::sockaddr_vm::default();
    let mut length = std::mem::size_of::<libc::sockaddr_vm>() as u32;
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let address = (&mut peer as *mut libc::sockaddr_vm).cast();
    let connection = owned(unsafe { libc::accept4(number(&line.listener), address, &mut length, flags) });
    if let Ok(connection) = connection {
        if i32::from(peer.family) != libc::AF_VSOCK || peer.cid == libc::VMADDR_CID_HOST {
            engine.forget_partial();
            line.fd = Some(connection);
        }
    }
}

/// True when nothing more will come. A host that does not keep to the protocol has to greet us again.
fn receive(line: RawFd, engine: &mut Engine, connections: &Sender<UnixStream>) -> bool {
    let mut buffer = [0; 2 * LARGEST_PAYLOAD];
    let mut opener = || {
        let (ours, agents) = UnixStream::pair().ok()?;
        connections.send(agents).ok()?;
        Some(ours.into())
    };
    match read(line, &mut buffer) {
        Ok(0) => true,
        Ok(count) => {
            if engine.receive(&buffer[..count], &mut opener).is_err() {
                *engine = Engine::guest();
            }
            false
        }
        Err(errno) => errno != libc::EAGAIN,
    }
}

fn flush(line: RawFd, engine: &mut Engine) {
    while !engine.sendable().is_empty() {
        let piece = engine.sendable();
        match write(line, &piece[..piece.len().min(2 * LARGEST_PAYLOAD)]) {
            Ok(count) => engine.sent(count),
            Err(_) => break,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::NONCE;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    /// The host's end, which exchanges what there is with the guest.
    fn exchange(host: &mut Engine, link: &mut UnixStream) {
        link.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut buffer = [0; 4096];
        loop {
            let mut entries: Vec<pollfd> = host.poll_entries().collect();
            poll(&mut entries, 0);
            host.step(&entries);
            let bytes = host.sendable().to_vec();
            link.write_all(&bytes).unwrap();
            host.sent(bytes.len());
            match link.read(&mut buffer) {
                Ok(count) if count > 0 => host.receive(&buffer[..count], &mut || None).unwrap(),
                _ => return,
            }
        }
    }

    // A unix socket stands in for the vsock: the machines this is developed on have none.
    #[test]
    fn streams_go_on_over_another_connection_when_both_were_held_before() {
        let path = std::env::temp_dir().join(format!("warren-line-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let opened = carry_on(Line { listener: Some(listener.into()), fd: None }).unwrap();

        let mut host = Engine::host([1; NONCE]);
        let mut link = UnixStream::connect(&path).unwrap();
        exchange(&mut host, &mut link);
        assert!(host.is_welcome());
        let (mut client, theirs) = UnixStream::pair().unwrap();
        host.open(theirs.into());
        exchange(&mut host, &mut link);
        let mut agent = opened.recv().unwrap();

        host.sync([2; NONCE], true);
        exchange(&mut host, &mut link);
        assert!(!host.is_syncing());
        agent.write_all(b"said while held").unwrap();
        exchange(&mut host, &mut link);
        drop(link);
        let mut link = UnixStream::connect(&path).unwrap();
        host.release();
        client.write_all(b"question").unwrap();
        exchange(&mut host, &mut link);
        let mut said = [0; 15];
        client.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"said while held");
        let mut question = [0; 8];
        agent.read_exact(&mut question).unwrap();
        assert_eq!(&question, b"question");

        // A line that is lost without that has lost its streams: the host greets anew.
        drop(link);
        let mut host = Engine::host([3; NONCE]);
        let mut link = UnixStream::connect(&path).unwrap();
        exchange(&mut host, &mut link);
        assert!(host.is_welcome());
        assert_eq!(agent.read(&mut [0; 1]).unwrap(), 0);
    }
}
