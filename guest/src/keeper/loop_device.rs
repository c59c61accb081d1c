use crate::libc;
use crate::syscalls::{c_string, check, errno_of, open, Errno};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::os::unix::io::{AsRawFd, OwnedFd};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

pub const LOOP_MAJOR: u64 = 7;
/// Many sandboxes may start at once, and each may be given the same free number.
const TRIES: u64 = 500;

/// A loop device that detaches itself when nothing uses it any more.
pub struct LoopDevice {
    number: i32,
    path: String,
    /// Held until it is mounted and set up; it would detach at once otherwise.
    fd: Option<OwnedFd>,
}

impl LoopDevice {
    pub fn attach(image: &str) -> Result<LoopDevice, Errno> {
        let image = OpenOptions::new().read(true).write(true).open(image).map_err(|error| errno_of(&error))?;
        let control = open(&c_string(b"/dev/loop-control")?, libc::O_RDWR, 0)?;
        for attempt in 1..=TRIES {
            let number = check(unsafe { libc::ioctl(control.as_raw_fd(), libc::LOOP_CTL_GET_FREE) })?;
            let (path, fd) = open_device(number)?;
            match configure(&fd, &image) {
                Ok(()) => return Ok(LoopDevice { number, path, fd: Some(fd) }),
                Err(libc::EBUSY) => sleep(backoff(attempt)),
                Err(errno) => return Err(errno),
            }
        }
        Err(libc::EBUSY)
    }

    pub fn number(&self) -> i32 {
        self.number
    }

    /// The device that has this image already, for another sandbox, or a new one. Two devices of one image would know nothing
    /// of each other's writes. Whoever calls holds a lock on the image.
    pub fn attach_shared(image: &str) -> Result<LoopDevice, Errno> {
        let status = std::fs::metadata(image).map_err(|error| errno_of(&error))?;
        let entries = std::fs::read_dir("/sys/block").map_err(|error| errno_of(&error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let numbers = names.filter_map(|name| name.strip_prefix("loop").and_then(|number| number.parse().ok()));
        for number in numbers {
            if !Path::new(&format!("/sys/block/loop{}/loop/backing_file", number)).exists() {
                continue;
            }
            // Held open it is not detached any more, and only now it is sure what it has.
            let (path, fd) = open_device(number)?;
            let mut info = libc::loop_info64::default();
            let asked = check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::LOOP_GET_STATUS64, &mut info) });
            if asked.is_ok() && info.lo_inode == status.ino() && info.lo_device as u32 == status.dev() as u32 {
                return Ok(LoopDevice { number, path, fd: Some(fd) });
            }
        }
        LoopDevice::attach(image)
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// From now on without a second copy in the host's page cache, whose write-back all neighbours would feel. What is in
    /// it goes to the disk first, which takes a moment: not to be waited for by who wants to start. Leaves the device to
    /// its mount.
    pub fn write_directly(&mut self) {
        if let Some(fd) = self.fd.take() {
            // Where the file system below cannot do it, all stays as it is.
            unsafe { libc::ioctl(fd.as_raw_fd(), libc::LOOP_SET_DIRECT_IO, 1u64) };
        }
    }

    /// The mounts of a namespace that has just ended go a moment later.
    pub fn wait_until_free(mut self) {
        self.fd = None;
        let backing = format!("/sys/block/loop{}/loop/backing_file", self.number);
        for _ in 0..1000 {
            if !Path::new(&backing).exists() {
                return;
            }
            sleep(Duration::from_millis(1));
        }
    }
}

/// Whether no device has this image. Mounted twice it would be destroyed, and what a killed keeper had mounted goes a
/// moment after it.
pub fn wait_until_unused(image: &str) -> bool {
    let image = match std::fs::canonicalize(image) {
        Ok(image) => image,
        Err(_) => return true,
    };
    for _ in 0..300 {
        if !is_attached(&image) {
            return true;
        }
        sleep(Duration::from_millis(10));
    }
    false
}

fn is_attached(image: &Path) -> bool {
    let devices = match std::fs::read_dir("/sys/block") {
        Ok(devices) => devices,
        Err(_) => return false,
    };
    devices.flatten().any(|device| {
        let backing = std::fs::read_to_string(device.path().join("loop/backing_file"));
        backing.map_or(false, |path| Path::new(path.trim_end_matches('\n')) == image)
    })
}

/// Different for each keeper, so that those that collided do not meet again.
fn backoff(attempt: u64) -> Duration {
    let spread = (std::process::id() as u64).wrapping_mul(2_654_435_761) % 1000;
    Duration::from_micros(100 + spread * attempt.min(10))
}

/// Containers often have a /dev without nodes for loop devices that the kernel knows.
fn open_device(number: i32) -> Result<(String, OwnedFd), Errno> {
    let usual = format!("/dev/loop{}", number);
    let own = format!("loop{}", number);
    for path in [usual, own] {
        let path_c = c_string(path.as_bytes())?;
        let opened = open(&path_c, libc::O_RDWR, 0).or_else(|_| {
            let device = LOOP_MAJOR << 8 | (number as u64 & 0xff) | (number as u64 & !0xff) << 12;
            check(unsafe { libc::mknod(path_c.as_ptr(), libc::S_IFBLK | 0o600, device) })?;
            open(&path_c, libc::O_RDWR, 0)
        });
        if let Ok(fd) = opened {
            return Ok((path, fd));
        }
    }
    Err(libc::ENODEV)
}

fn configure(device: &OwnedFd, image: &File) -> Result<(), Errno> {
    let mut config = libc::loop_config::default();
    config.fd = image.as_raw_fd() as u32;
    config.info.lo_flags = libc::LO_FLAGS_AUTOCLEAR;
    match check(unsafe { libc::ioctl(device.as_raw_fd(), libc::LOOP_CONFIGURE, &config) }) {
        // Kernels before 5.8.
        Err(libc::EINVAL | libc::ENOTTY) => {
            check(unsafe { libc::ioctl(device.as_raw_fd(), libc::LOOP_SET_FD, image.as_raw_fd()) })?;
            check(unsafe { libc::ioctl(device.as_raw_fd(), libc::LOOP_SET_STATUS64, &config.info) }).map(drop)
        }
        result => result.map(drop),
    }
}
