use super::serve::{Order, Orders};
use std::io::{Error, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{channel, Sender};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How the agent inside is reached.
pub enum Link {
    /// A serial line, which lasts as long as the machine.
    Line(UnixStream),
    /// A socket that leads to every port of the guest's. A connection may end before the machine does.
    Vsock { path: String, port: u32 },
}

/// Firecracker gives a guest that does not answer two seconds.
const ANSWER: Duration = Duration::from_secs(5);
/// Nobody listens inside yet.
const AGAIN: Duration = Duration::from_millis(5);

/// Makes connections to the agent inside, by a thread of its own: until somebody listens there, it takes a while.
pub struct Linker(Option<Sender<()>>);

impl Linker {
    /// The first connection of a serial line is there; it is the only one.
    pub fn start(link: Link, orders: Arc<Orders>) -> Result<(Linker, Option<UnixStream>), Error> {
        let (path, port) = match link {
            Link::Line(line) => return Ok((Linker(None), Some(line))),
            Link::Vsock { path, port } => (path, port),
        };
        let (ask, asked) = channel();
        thread::Builder::new().stack_size(128 * 1024).spawn(move || {
            for () in asked {
                let link = loop {
                    match connect(&path, port) {
                        Ok(link) => break link,
                        Err(_) => thread::sleep(AGAIN),
                    }
                };
                orders.give(Order::Linked(link));
            }
        })?;
        let linker = Linker(Some(ask));
        linker.ask();
        Ok((linker, None))
    }

    /// For another connection, which comes as an order. False where there is none to be had.
    pub fn ask(&self) -> bool {
        self.0.as_ref().map_or(false, |ask| ask.send(()).is_ok())
    }
}

/// `CONNECT PORT`, answered by `OK` and a number of the host's end; or hung up on, where nobody listens inside.
fn connect(path: &str, port: u32) -> Result<UnixStream, Error> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    stream.write_all(format!("CONNECT {}\n", port).as_bytes())?;
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        // What follows the line is the guest's already.
        if line.len() > 32 || stream.read(&mut byte)? == 0 {
            return Err(ErrorKind::ConnectionRefused.into());
        }
        line.push(byte[0]);
    }
    if !line.starts_with(b"OK ") {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn what_follows_the_answer_is_left_for_the_streams_and_who_hangs_up_is_none() {
        let path = std::env::temp_dir().join(format!("warren-link-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let mut lines = Vec::new();
            for answer in [&b""[..], b"NO\n", b"OK 1073741824\nfirst"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = [0; 13];
                stream.read_exact(&mut line).unwrap();
                lines.push(line);
                stream.write_all(answer).unwrap();
                if !answer.is_empty() {
                    std::mem::forget(stream);
                }
            }
            lines
        });
        let path = path.to_str().unwrap();
        assert!(connect(path, 1024).is_err());
        assert!(connect(path, 1024).is_err());
        let mut link = connect(path, 1024).unwrap();
        link.set_nonblocking(false).unwrap();
        let mut first = [0; 5];
        link.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"first");
        assert!(server.join().unwrap().iter().all(|line| line == b"CONNECT 1024\n"));
    }
}
