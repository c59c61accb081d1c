//! `sudo` inside a sandbox: asks the agent to start a program as root, and stands in for it. Nothing here is privileged.

use crate::frames::{header, kind, FieldWriter, Fields, FrameBuffer, CHUNK};
use crate::libc::{self, c_int, c_void};
use crate::syscalls::{block_signals, check, describe, owned, read, receive, send, write, Errno};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex};
use std::thread;

/// Name of the agent's socket, in the namespace of names without files.
pub const SOCKET: &[u8] = b"warren-root";

/// The agent says so when it is ready to be told who we are; any byte is the answer.
pub const GO: u8 = b'?';

const USAGE: &str = "usage: sudo [-EHinS] [-u USER] [NAME=VALUE…] COMMAND [ARGUMENT…]";
/// What a program started as somebody else is still told.
const KEPT: [&[u8]; 6] = [b"TERM", b"LANG", b"COLORTERM", b"TZ", b"http_proxy", b"https_proxy"];
const FORWARDED: [c_int; 6] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGUSR1, libc::SIGUSR2];

#[derive(Default)]
struct Options {
    user: Option<String>,
    keeps_env: bool,
    login: bool,
    shell: bool,
    env: Vec<String>,
    command: Vec<String>,
}

pub fn main(arguments: &[String]) -> i32 {
    let options = match parse(arguments) {
        Ok(Some(options)) => options,
        Ok(None) => return 0,
        Err(message) => return complain(&message),
    };
    match run(options) {
        Ok(code) => code,
        Err(message) => complain(&message),
    }
}

/// `None` where there is nothing to be done.
fn parse(arguments: &[String]) -> Result<Option<Options>, String> {
    let mut options = Options::default();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.peek().filter(|argument| argument.starts_with('-') && argument.len() > 1) {
        let argument = argument.to_string();
        rest.next();
        match argument.as_str() {
            "--" => break,
            "--user" => options.user = Some(rest.next().ok_or(USAGE)?.clone()),
            "--preserve-env" => options.keeps_env = true,
            "--login" => options.login = true,
            "--shell" => options.shell = true,
            "--non-interactive" | "--stdin" | "--set-home" => {}
            "--validate" | "--list" | "--reset-timestamp" | "--remove-timestamp" => return Ok(None),
            _ if argument.starts_with("--preserve-env=") => options.keeps_env = true,
            _ if argument.starts_with("--user=") => options.user = Some(argument["--user=".len()..].to_string()),
            _ if argument.starts_with("--") => return Err(USAGE.to_string()),
            _ => {
                for (at, letter) in argument.char_indices().skip(1) {
                    match letter {
                        'E' => options.keeps_env = true,
                        'i' => options.login = true,
                        's' => options.shell = true,
                        'H' | 'n' | 'S' => {}
                        'k' | 'K' | 'l' | 'v' if arguments.len() == 1 => return Ok(None),
                        'k' => {}
                        'u' => {
                            let attached = &argument[at + 1..];
                            let user = if attached.is_empty() { rest.next().cloned() } else { Some(attached.to_string()) };
                            options.user = Some(user.ok_or(USAGE)?);
                            break;
                        }
                        _ => return Err(USAGE.to_string()),
                    }
                }
            }
        }
    }
    let words: Vec<String> = rest.cloned().collect();
    let is_assignment = |word: &&String| {
        word.find('=').map_or(false, |at| {
            at > 0 && word[..at].chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        })
    };
    let assignments = words.iter().take_while(is_assignment).count();
    options.env = words[..assignments].to_vec();
    options.command = words[assignments..].to_vec();
    if options.login || options.shell {
        let script = options.command.join(" ");
        options.command = vec!["/bin/bash".to_string()];
        if options.login {
            options.command.push("-l".to_string());
        }
        if !script.is_empty() {
            options.command.extend(["-c".to_string(), script]);
        }
    }
    if options.command.is_empty() {
        return Err(USAGE.to_string());
    }
    Ok(Some(options))
}

fn run(options: Options) -> Result<i32, String> {
    let socket = Arc::new(connect().map_err(|errno| match errno {
        libc::ECONNREFUSED => "there is no root in this sandbox".to_string(),
        errno => format!("the agent of this sandbox cannot be reached: {}", describe(errno)),
    })?);
    // Before there is another thread.
    let signals = block_signals(&FORWARDED);
    let terminal = Terminal::open();
    let request = request(&options, terminal.as_ref());
    let writer = Arc::new(Mutex::new(socket.clone()));
    match send_frame(&writer, kind::EXEC, &request) {
        // Whoever is refused may be told so before they have asked; the reason is there to be read.
        Ok(()) | Err(libc::EPIPE) => {}
        Err(errno) => return Err(describe(errno)),
    }

    let mut frames = FrameBuffer::default();
    loop {
        while let Some(frame) = frames.next().map_err(|malformed| malformed.0.to_string())? {
            let fields = |payload| Fields::parse(payload).map_err(|malformed| malformed.0.to_string());
            match frame.kind {
                kind::STARTED => {
                    forward_input(writer.clone());
                    forward_signals(writer.clone(), &signals);
                }
                kind::STDOUT => write_all(1, frame.payload.get(8..).unwrap_or(&[])),
                kind::STDERR => write_all(2, frame.payload.get(8..).unwrap_or(&[])),
                kind::EXIT => {
                    drop(terminal);
                    let payload = frame.payload;
                    let ended = Fields::parse(&payload).map_err(|malformed| malformed.0.to_string())?;
                    let number = |tag| ended.number(tag).ok().flatten().map(|number| number as i32);
                    return Ok(number(1).unwrap_or_else(|| 128 + number(2).unwrap_or(9)));
                }
                kind::ERROR => {
                    let said = fields(&frame.payload)?;
                    return Err(said.text(2).unwrap_or("the agent gave no reason").to_string());
                }
                _ => {}
            }
        }
        let mut buffer = vec![0; CHUNK];
        match receive(socket.as_raw_fd(), &mut buffer, 0) {
            Ok(0) | Err(_) => return Err("the agent of this sandbox has gone away".to_string()),
            Ok(count) => frames.push(&buffer[..count]),
        }
    }
}

fn request(options: &Options, terminal: Option<&Terminal>) -> Vec<u8> {
    let mut fields = FieldWriter::new().list(1, options.command.iter().map(String::as_bytes));
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        let changes = [&b"HOME"[..], b"USER", b"LOGNAME", b"PATH"].contains(&name);
        if (options.keeps_env && !changes) || KEPT.contains(&name) || name.starts_with(b"LC_") {
            fields = fields.bytes(2, &[name, b"=", value].concat());
        }
    }
    let caller = std::env::var("USER").unwrap_or_default();
    let told = [format!("SUDO_USER={}", caller), format!("SUDO_COMMAND={}", options.command.join(" "))];
    fields = fields.list(2, told.iter().chain(&options.env).map(String::as_bytes));
    if !options.login {
        if let Ok(cwd) = std::env::current_dir() {
            fields = fields.bytes(3, cwd.as_os_str().as_bytes());
        }
    }
    fields = fields.text(4, options.user.as_deref().unwrap_or("root"));
    if let Some(terminal) = terminal {
        let (columns, rows) = terminal.size();
        fields = fields.flag(5, true).text(6, columns).text(7, rows);
    }
    fields.flag(9, true).done()
}

/// What is typed or piped in goes on to the program, until there is no more.
fn forward_input(writer: Arc<Mutex<Arc<OwnedFd>>>) {
    let _ = thread::Builder::new().stack_size(128 * 1024).spawn(move || {
        let mut buffer = vec![0; CHUNK];
        loop {
            let sent = match read(0, &mut buffer) {
                Ok(0) | Err(_) => {
                    let _ = send_frame(&writer, kind::STDIN_EOF, &[]);
                    return;
                }
                Ok(count) => send_frame(&writer, kind::STDIN, &buffer[..count]),
            };
            if sent.is_err() {
                return;
            }
        }
    });
}

fn forward_signals(writer: Arc<Mutex<Arc<OwnedFd>>>, signals: &libc::sigset_t) {
    let fd = match owned(unsafe { libc::signalfd(-1, signals, libc::SFD_CLOEXEC) }) {
        Ok(fd) => fd,
        Err(_) => return,
    };
    let _ = thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        let mut info = [0u8; 128];
        while let Ok(128) = read(fd.as_raw_fd(), &mut info) {
            let number = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            let payload = FieldWriter::new().text(1, number).flag(2, true).done();
            let _ = send_frame(&writer, kind::CONTROL_SIGNAL, &payload);
        }
    });
}

fn send_frame(writer: &Mutex<Arc<OwnedFd>>, kind: u8, payload: &[u8]) -> Result<(), Errno> {
    let socket = writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let frame = [&header(kind, payload.len())[..], payload].concat();
    let mut rest = &frame[..];
    while !rest.is_empty() {
        rest = &rest[send(socket.as_raw_fd(), rest, 0)?..];
    }
    Ok(())
}

fn write_all(fd: RawFd, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match write(fd, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(_) => return,
        }
    }
}

fn connect() -> Result<OwnedFd, Errno> {
    let socket = owned(unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    let (name, length) = address(SOCKET);
    check(unsafe { libc::connect(socket.as_raw_fd(), &name, length) })?;
    let mut asked = [0u8; 1];
    match receive(socket.as_raw_fd(), &mut asked, 0)? {
        1 if asked[0] == GO => send(socket.as_raw_fd(), &[b'!'], 0).map(|_| socket),
        _ => Err(libc::ECONNREFUSED),
    }
}

/// The address of a socket with a name and no file, and how long it is.
pub fn address(name: &[u8]) -> (libc::sockaddr_un, u32) {
    let mut address = libc::sockaddr_un { family: libc::AF_UNIX as u16, path: [0; 108] };
    address.path[1..=name.len()].copy_from_slice(name);
    (address, 3 + name.len() as u32)
}

/// Our terminal, which passes all keys on for as long as this lives.
struct Terminal(libc::termios);

impl Terminal {
    /// `None` where we do not both read from one and write to one.
    fn open() -> Option<Terminal> {
        let mut settings = libc::termios::default();
        let place = &mut settings as *mut libc::termios as *mut c_void;
        let is_terminal = |fd| unsafe { libc::ioctl(fd, libc::TCGETS, place) } == 0;
        if !is_terminal(1) || !is_terminal(0) {
            return None;
        }
        let mut raw = settings;
        raw.input &= !(libc::IXON | libc::ICRNL | libc::BRKINT | libc::ISTRIP | libc::INLCR | libc::IGNCR);
        raw.output &= !libc::OPOST;
        raw.local &= !(libc::ECHO | libc::ICANON | libc::ISIG | libc::IEXTEN);
        unsafe { libc::ioctl(0, libc::TCSETS, &raw) };
        Some(Terminal(settings))
    }

    fn size(&self) -> (u16, u16) {
        let mut size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        unsafe { libc::ioctl(0, libc::TIOCGWINSZ, &mut size) };
        (size.ws_col.max(1), size.ws_row.max(1))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        unsafe { libc::ioctl(0, libc::TCSETS, &self.0) };
    }
}

fn complain(message: &str) -> i32 {
    eprintln!("sudo: {}", message);
    1
}
