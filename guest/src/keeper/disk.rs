use super::layers::lay_over;
use super::loop_device::{wait_until_unused, LoopDevice};
use super::options::{Disk, Options};
use super::skeleton::{fill, shift_owners, take_over};
use super::volume::mount_volume;
use super::write_limit::WriteLimit;
use crate::libc;
use crate::sparse_copy::copy_sparse;
use crate::syscalls::{c_string, check, failed, mount, open, open_at, Errno};
use std::fs::{create_dir, remove_dir, write, File};
use std::io::ErrorKind;
use std::os::unix::io::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

const ROOTFS: &str = "rootfs";
const LAID_OVER: &str = "disk";
const IMAGE: &str = "disk.img";
const IMAGE_IN_THE_MAKING: &str = "disk.img.partial";
const COPY: &str = "disk.copy";
const MEMORY_OF_MACHINE: &str = "/proc/meminfo";
const SHOWN_MEMORY: &str = "meminfo";
const MOST_MOUNTS_OVER_EACH_OTHER: usize = 8;
const INODES_PER_MB: u64 = 64;
const FEWEST_INODES: u64 = 16_384;

/// The sandbox's file system, mounted in a mount namespace of the keeper's own: if the keeper is killed, it
/// goes with the last process that uses it.
pub struct MountedDisk {
    root: String,
    /// What of the host is covered.
    covered: Vec<String>,
    device: Option<LoopDevice>,
    /// Numbers of the loop devices of volumes, which others may have too.
    volumes: Vec<i32>,
    write_limit: Option<WriteLimit>,
}

/// Makes and fills the disk that the options ask for. The working directory is the sandbox's state directory.
pub fn mount_disk(options: &Options) -> Result<Option<MountedDisk>, String> {
    if options.disk == Disk::None {
        return Ok(None);
    }
    enter_private_namespace().map_err(|errno| failed("make a mount namespace", errno))?;
    let root = options.mount_at.clone().unwrap_or_else(|| ROOTFS.to_string());
    make_folder(&root)?;
    let is_root = options.layers.is_empty();
    let disk = if is_root { root.as_str() } else { LAID_OVER };
    make_folder(disk)?;
    let skeleton = options.skeleton.as_deref().map(Path::new);
    let device = match options.disk {
        Disk::Loop => {
            let (device, is_new) = mount_loop(options.image.as_deref().unwrap_or(""), disk)?;
            if is_new {
                let _ = remove_dir(Path::new(disk).join("lost+found"));
                match options.shift_from {
                    Some(from) => shift_owners(Path::new(disk), from, options.uid_base)?,
                    None => take_over(Path::new(disk), skeleton, options.uid_base)?,
                }
            }
            Some(device)
        }
        _ => {
            mount_tmpfs(options.disk_mb, disk)?;
            if let Some(skeleton) = skeleton {
                fill(skeleton, Path::new(disk), options.uid_base)?;
            }
            None
        }
    };
    if !is_root {
        lay_over(&options.layers, LAID_OVER, &root, options.uid_base)?;
    }
    for (source, target) in &options.binds {
        bind_read_only(source, &root, target)
            .map_err(|errno| failed(&format!("show {} at {}/{}", source, root, target), errno))?;
    }
    let volumes = options.volumes.iter();
    let volumes = volumes
        .map(|(image, target, read_only)| mount_volume(image, &root, target, options.uid_base, *read_only))
        .collect::<Result<Vec<_>, _>>()?;
    let mut covered = options.hidden.clone();
    for path in &covered {
        mount("tmpfs", path, "tmpfs", libc::MS_RDONLY, "size=4k")
            .map_err(|errno| failed(&format!("hide {}", path), errno))?;
    }
    if let Some(megabytes) = options.shown_memory_mb {
        show_memory(megabytes)?;
        covered.push(MEMORY_OF_MACHINE.to_string());
    }
    if options.sysfs {
        let place_of_mount = place(&root, "sys").map_err(|errno| failed("find sys in the root", errno))?;
        let target = format!("/proc/self/fd/{}", place_of_mount.as_raw_fd());
        let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        mount("sysfs", &target, "sysfs", flags, "").map_err(|errno| failed("mount sysfs", errno))?;
    }
    Ok(Some(MountedDisk { root, covered, device, volumes, write_limit: options.write_limit.clone() }))
}

/// A runtime with a kernel of its own tells its programs that they have what this file says.
fn show_memory(megabytes: u64) -> Result<(), String> {
    let lines = format!("MemTotal: {} kB\n", megabytes * 1024);
    write(SHOWN_MEMORY, lines).map_err(|error| format!("cannot write {}: {}", SHOWN_MEMORY, error))?;
    mount(SHOWN_MEMORY, MEMORY_OF_MACHINE, "", libc::MS_BIND, "")
        .map_err(|errno| failed(&format!("cover {}", MEMORY_OF_MACHINE), errno))
}

/// With all that is mounted below it, where the kernel can make that read-only too (Linux 5.12). A disk that comes from a
/// snapshot was made by whoever was in the sandbox: no link on it is followed.
fn bind_read_only(source: &str, root: &str, target: &str) -> Result<(), Errno> {
    let with_all_below = if can_set_below() { libc::MS_REC } else { 0 };
    let place_of_mount = place(root, target)?;
    let at = format!("/proc/self/fd/{}", place_of_mount.as_raw_fd());
    mount(source, &at, "", libc::MS_BIND | with_all_below, "")?;
    // What is there now is what was just mounted.
    let mounted = place(root, target)?;
    if with_all_below != 0 {
        return set_below(mounted.as_raw_fd());
    }
    let flags = libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOSUID;
    mount("none", &format!("/proc/self/fd/{}", mounted.as_raw_fd()), "", flags, "")
}

/// A kernel that knows the call says what is wrong with the descriptor.
fn can_set_below() -> bool {
    set_below(-1) == Err(libc::EBADF)
}

/// Makes the mount behind `fd` and all below it read-only, without devices and setuid programs.
fn set_below(fd: RawFd) -> Result<(), Errno> {
    let attributes = [libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV, 0, 0, 0u64];
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    let (path, size) = (b"\0".as_ptr(), std::mem::size_of_val(&attributes));
    let set = unsafe { libc::syscall(libc::SYS_MOUNT_SETATTR, fd, path, flags, attributes.as_ptr(), size) };
    check(set as i32).map(drop)
}

fn place(root: &str, target: &str) -> Result<OwnedFd, Errno> {
    let mut place = open(&c_string(root.as_bytes())?, libc::O_PATH | libc::O_DIRECTORY, 0)?;
    for name in target.split('/') {
        place = open_at(place.as_raw_fd(), &c_string(name.as_bytes())?, libc::O_PATH | libc::O_NOFOLLOW)?;
    }
    Ok(place)
}

fn make_folder(path: &str) -> Result<(), String> {
    match create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(format!("cannot make {}: {}", path, error)),
        _ => Ok(()),
    }
}

pub fn enter_private_namespace() -> Result<(), Errno> {
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    // Slave, not private: what the host unmounts must go here too.
    mount("none", "/", "", libc::MS_REC | libc::MS_SLAVE, "")
}

fn mount_tmpfs(size_mb: u64, root: &str) -> Result<(), String> {
    let inodes = (size_mb * INODES_PER_MB).max(FEWEST_INODES);
    let data = format!("size={}m,mode=0755,nr_inodes={}", size_mb, inodes);
    let flags = libc::MS_NODEV | libc::MS_NOATIME;
    mount("tmpfs", root, "tmpfs", flags, &data).map_err(|errno| failed("mount a tmpfs", errno))
}

/// True if the disk was made just now from `image`.
fn mount_loop(image: &str, root: &str) -> Result<(LoopDevice, bool), String> {
    let is_new = !Path::new(IMAGE).exists();
    if is_new {
        copy_sparse(image, IMAGE_IN_THE_MAKING).map_err(|errno| failed(&format!("copy {}", image), errno))?;
        std::fs::rename(IMAGE_IN_THE_MAKING, IMAGE).map_err(|error| format!("cannot make {}: {}", IMAGE, error))?;
    } else if !wait_until_unused(IMAGE) {
        return Err(format!("{} is still in use", IMAGE));
    }
    let device = LoopDevice::attach(IMAGE).map_err(|errno| failed("attach a loop device", errno))?;
    let flags = libc::MS_NODEV | libc::MS_NOATIME;
    // Initialising inode tables in the background would fill the sparse image.
    let mounted = mount(device.path(), root, "ext4", flags, "noinit_itable,errors=remount-ro");
    mounted.map_err(|errno| failed("mount the disk", errno))?;
    Ok((device, is_new))
}

impl MountedDisk {
    /// What makes the disk better in the long run, and slower for a moment.
    pub fn settle(&mut self) {
        if let Some(device) = &mut self.device {
            device.write_directly();
        }
        self.limit_writes();
    }

    fn limit_writes(&self) {
        for (limit, number) in self.limited() {
            limit.set(number);
        }
    }

    fn lift_write_limit(&self) {
        for (limit, number) in self.limited() {
            limit.lift(number);
        }
    }

    /// Of version 1, the limit of a volume goes with the first of those that have it.
    fn limited(&self) -> impl Iterator<Item = (&WriteLimit, i32)> {
        let own = self.device.iter().map(LoopDevice::number);
        let numbers = own.chain(self.volumes.iter().copied());
        self.write_limit.iter().flat_map(move |limit| numbers.clone().map(move |number| (limit, number)))
    }

    /// Copies the image to `disk.copy`. Whoever asks sees to it that nothing in the sandbox writes meanwhile.
    pub fn copy(&self) -> Result<(), String> {
        if self.device.is_none() {
            return Err("the disk is in memory".to_string());
        }
        let root = File::open(&self.root).map_err(|error| format!("cannot open the disk: {}", error))?;
        self.lift_write_limit();
        let synced = check(unsafe { libc::syncfs(root.as_raw_fd()) });
        self.limit_writes();
        synced.map_err(|errno| failed("write the disk out", errno))?;
        copy_sparse(IMAGE, COPY).map_err(|errno| {
            let _ = std::fs::remove_file(COPY);
            failed("copy the disk", errno)
        })
    }

    /// Nothing of it is left on the host when this returns, except the image file.
    pub fn unmount(self) {
        self.lift_write_limit();
        for path in &self.covered {
            let name = c_string(path.as_bytes()).unwrap_or_default();
            unsafe { libc::umount2(name.as_ptr(), libc::MNT_DETACH) };
        }
        let name = c_string(self.root.as_bytes()).unwrap_or_default();
        // With all that is mounted in it. A runtime may have mounted it over itself; in our namespace nothing else is
        // worth keeping there.
        for _ in 0..MOST_MOUNTS_OVER_EACH_OTHER {
            if unsafe { libc::umount2(name.as_ptr(), libc::MNT_DETACH) } < 0 {
                break;
            }
        }
        if let Some(device) = self.device {
            device.wait_until_free();
        }
    }
}
