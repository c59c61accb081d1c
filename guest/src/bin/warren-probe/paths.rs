use crate::answer::{Answer, Attempt};
use crate::system::{c_string, check, errno_of, mknod};
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

const O_NONBLOCK: i32 = 0x800;
const O_NOCTTY: i32 = 0x100;
const MOST: u64 = 1 << 20;
const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;

/// Open if something can be read: `token`, where there is one, else anything at all.
pub fn read(path: &str, token: Option<&str>) -> Attempt {
    let mut content = Vec::new();
    let mut file = open_to_read(path)?;
    let read = if token.is_some() {
        file.take(MOST).read_to_end(&mut content)
    } else {
        content.resize(64, 0);
        file.read(&mut content)
    };
    let size = read.map_err(|error| errno_of(&error))?;
    Ok(match token {
        Some(token) if contains(&content, token.as_bytes()) => Answer::open("the content of the host's file"),
        Some(_) => Answer::closed(format!("{} other bytes", size)),
        None => Answer::when(size > 0, format!("{} bytes", size)),
    })
}

/// Open if addresses of the kernel stand there: its zeros say that they are hidden.
pub fn read_addresses(path: &str) -> Attempt {
    let mut text = Vec::new();
    open_to_read(path)?.take(4096).read_to_end(&mut text).map_err(|error| errno_of(&error))?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let address = text.lines().map(|line| line.split([' ', '-', '\t']).next().unwrap_or("")).find(|word| {
        word.len() >= 8 && word.chars().all(|digit| digit.is_ascii_hexdigit()) && word.chars().any(|digit| digit != '0')
    });
    Ok(match address {
        Some(_) => Answer::open("addresses of the kernel"),
        None => Answer::closed(if text.is_empty() { "nothing" } else { "no addresses" }),
    })
}

/// Opens without truncating and writes nothing.
pub fn open_to_write(path: &str) -> Attempt {
    let opened = OpenOptions::new().write(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path);
    opened.map(|_| Answer::open("opened for writing")).map_err(|error| errno_of(&error))
}

/// Makes a device node and opens it; nothing is read from it. The node is removed again.
pub fn make_device(folder: &str, is_block: bool, major: i64, minor: i64) -> Attempt {
    let (major, minor) = (major as u64, minor as u64);
    let device = (minor & 0xff) | ((major & 0xfff) << 8) | ((minor & !0xff) << 12) | ((major & !0xfff) << 32);
    let path = format!("{}/warren-probe-node-{}", folder, std::process::id());
    let kind = if is_block { S_IFBLK } else { S_IFCHR };
    check(unsafe { mknod(c_string(&path).as_ptr(), kind | 0o666, device) })?;
    let opened = open_to_read(&path);
    let _ = std::fs::remove_file(&path);
    opened.map(|_| Answer::open("the device was made and opened"))
}

fn open_to_read(path: &str) -> Result<File, i32> {
    let opened = OpenOptions::new().read(true).custom_flags(O_NONBLOCK | O_NOCTTY).open(path);
    opened.map_err(|error| errno_of(&error))
}

pub fn contains(content: &[u8], wanted: &[u8]) -> bool {
    !wanted.is_empty() && content.windows(wanted.len()).any(|window| window == wanted)
}
