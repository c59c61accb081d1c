use crate::answer::{Answer, Attempt};
use crate::paths::contains;
use crate::system::{self, check, errno_of, sockaddr_un, EINVAL};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::io::FromRawFd;
use std::time::{Duration, Instant};

const AF_UNIX: i32 = 1;
const SOCK_STREAM: i32 = 1;
const SOCK_CLOEXEC: i32 = 0x80000;
const PATIENCE: Duration = Duration::from_millis(800);

pub fn socket(family: i64, kind: i64, protocol: i64) -> Attempt {
    let made = check(unsafe { system::socket(family as i32, kind as i32 | SOCK_CLOEXEC, protocol as i32) });
    Ok(Answer::of(made))
}

/// Open if somebody there answers with `token`.
pub fn connect(address: &str, port: u16, token: &str) -> Attempt {
    let address: IpAddr = address.parse().map_err(|_| EINVAL)?;
    match TcpStream::connect_timeout(&SocketAddr::new(address, port), PATIENCE) {
        Ok(stream) => {
            let _ = stream.set_read_timeout(Some(PATIENCE));
            Ok(greeting(stream, token))
        }
        Err(error) if error.raw_os_error().is_some() => Err(errno_of(&error)),
        Err(_) => Ok(Answer::closed("no answer")),
    }
}

/// `name` is a path or, with an @ before it, an abstract name.
pub fn connect_unix(name: &str, token: &str) -> Attempt {
    let (fd, address, length) = unix_socket(name)?;
    check(unsafe { system::connect(fd, &address, length) })?;
    Ok(greeting(unsafe { File::from_raw_fd(fd) }, token))
}

/// Open if an agent, which starts programs as anybody, answers at `path` or at any other place where one might listen.
pub fn ask_agent(path: &str) -> Attempt {
    let listening = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let named = listening.lines().filter_map(|line| line.split_whitespace().last()).filter(|name| name.ends_with(".sock"));
    for name in named.chain(std::iter::once(path)) {
        let connected = unix_socket(name).and_then(|(fd, address, length)| {
            check(unsafe { system::connect(fd, &address, length) }).map(|_| unsafe { File::from_raw_fd(fd) })
        });
        match connected {
            Ok(stream) => {
                if is_agent(stream) {
                    return Ok(Answer::open(format!("the agent answered at {}", name)));
                }
            }
            Err(errno) if name == path => return Err(errno),
            Err(_) => {}
        }
    }
    Ok(Answer::closed("nobody answered"))
}

/// Sends a ping, of no fields, and looks for the answer OK.
fn is_agent(mut stream: File) -> bool {
    const PING: [u8; 5] = [0, 0, 0, 1, 0x01];
    let mut answer = [0u8; 5];
    stream.write_all(&PING).is_ok() && stream.read_exact(&mut answer).is_ok() && answer[4] == 0x40
}

/// A target for other sandboxes.
pub fn listen(port: u16, token: &str, seconds: u64) -> Attempt {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        .map_err(|error| errno_of(&error))?;
    announce();
    let token = token.to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(token.as_bytes());
        }
    });
    std::thread::sleep(Duration::from_secs(seconds));
    Ok(Answer::closed("listened"))
}

/// An HTTP server that answers with the head of the request.
pub fn show_request(port: u16, seconds: u64) -> Attempt {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| errno_of(&error))?;
    announce();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0u8; 8192];
            let size = stream.read(&mut head).unwrap_or(0);
            let start = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", size);
            let _ = stream.write_all(start.as_bytes()).and_then(|_| stream.write_all(&head[..size]));
        }
    });
    std::thread::sleep(Duration::from_secs(seconds));
    Ok(Answer::closed("served"))
}

pub fn listen_unix(name: &str, token: &str, seconds: u64) -> Attempt {
    let (fd, address, length) = unix_socket(name)?;
    check(unsafe { system::bind(fd, &address, length) })?;
    check(unsafe { system::listen(fd, 8) })?;
    announce();
    let until = Instant::now() + Duration::from_secs(seconds);
    let token = token.to_string();
    std::thread::spawn(move || loop {
        // accept
        if let Ok(client) = system::call(system::by_machine(43, 202), [fd as i64, 0, 0, 0, 0, 0]) {
            let _ = unsafe { File::from_raw_fd(client as i32) }.write_all(token.as_bytes());
        }
    });
    std::thread::sleep(until.saturating_duration_since(Instant::now()));
    Ok(Answer::closed("listened"))
}

/// Whoever started this may go on.
pub fn announce() {
    println!("ready");
    let _ = std::io::stdout().flush();
}

fn greeting(mut stream: impl Read, token: &str) -> Answer {
    let mut buffer = [0u8; 256];
    let size = stream.read(&mut buffer).unwrap_or(0);
    Answer::when(
        contains(&buffer[..size], token.as_bytes()),
        if size > 0 { "it answered" } else { "connected, but nobody answered" },
    )
}

fn unix_socket(name: &str) -> Result<(i32, sockaddr_un, u32), system::Errno> {
    let mut address = sockaddr_un { family: AF_UNIX as u16, path: [0; 108] };
    let text = name.as_bytes();
    if text.len() >= address.path.len() {
        return Err(EINVAL);
    }
    address.path[..text.len()].copy_from_slice(text);
    let is_abstract = name.starts_with('@');
    if is_abstract {
        address.path[0] = 0;
    }
    let fd = check(unsafe { system::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) })? as i32;
    Ok((fd, address, 2 + text.len() as u32 + u32::from(!is_abstract)))
}
