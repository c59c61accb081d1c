use super::loop_device::LoopDevice;
use super::options::{Disk, Options};
use super::skeleton::{fill, take_over};
use crate::libc;
use crate::sparse_copy::copy_sparse;
use crate::syscalls::{c_string, check, describe, mount, Errno};
use std::fs::{create_dir, remove_dir};
use std::io::ErrorKind;
use std::path::Path;

const ROOTFS: &str = "rootfs";
const IMAGE: &str = "disk.img";
const IMAGE_IN_THE_MAKING: &str = "disk.img.partial";
const MOST_MOUNTS_OVER_EACH_OTHER: usize = 8;
const INODES_PER_MB: u64 = 64;
const FEWEST_INODES: u64 = 16_384;

/// The sandbox's file system, mounted in a mount namespace of the keeper's own: if the keeper is killed, it
/// goes with the last process that uses it.
pub struct MountedDisk {
    root: String,
    binds: Vec<String>,
    device: Option<LoopDevice>,
}

/// Makes and fills the disk that the options ask for. The working directory is the sandbox's state directory.
pub fn mount_disk(options: &Options) -> Result<Option<MountedDisk>, String> {
    if options.disk == Disk::None {
        return Ok(None);
    }
    enter_private_namespace().map_err(|errno| failed("make a mount namespace", errno))?;
    let root = options.mount_at.clone().unwrap_or_else(|| ROOTFS.to_string());
    match create_dir(&root) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(format!("cannot make {}: {}", root, error))
        }
        _ => {}
    }
    let skeleton = options.skeleton.as_deref().map(Path::new);
    let device = match options.disk {
        Disk::Loop => {
            let (device, is_new) = mount_loop(options.image.as_deref().unwrap_or(""), &root)?;
            if is_new {
                let _ = remove_dir(Path::new(&root).join("lost+found"));
                take_over(Path::new(&root), skeleton, options.uid_base)?;
            }
            Some(device)
        }
        _ => {
            mount_tmpfs(options.disk_mb, &root)?;
            if let Some(skeleton) = skeleton {
                fill(skeleton, Path::new(&root), options.uid_base)?;
            }
            None
        }
    };
    let mut binds = Vec::new();
    for (source, target) in &options.binds {
        let target = format!("{}/{}", root, target);
        bind_read_only(source, &target).map_err(|errno| failed(&format!("show {} at {}", source, target), errno))?;
        binds.push(target);
    }
    for path in &options.hidden {
        mount("tmpfs", path, "tmpfs", libc::MS_RDONLY, "size=4k")
            .map_err(|errno| failed(&format!("hide {}", path), errno))?;
        binds.push(path.clone());
    }
    if options.sysfs {
        let target = format!("{}/sys", root);
        let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        mount("sysfs", &target, "sysfs", flags, "").map_err(|errno| failed("mount sysfs", errno))?;
        binds.push(target);
    }
    Ok(Some(MountedDisk { root, binds, device }))
}

fn bind_read_only(source: &str, target: &str) -> Result<(), Errno> {
    mount(source, target, "", libc::MS_BIND, "")?;
    let flags = libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY | libc::MS_NODEV | libc::MS_NOSUID;
    mount("none", target, "", flags, "")
}

fn enter_private_namespace() -> Result<(), Errno> {
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
    }

    /// Nothing of it is left on the host when this returns, except the image file.
    pub fn unmount(self) {
        for target in self.binds.iter().chain([&self.root]) {
            let name = c_string(target.as_bytes()).unwrap_or_default();
            // A runtime may have mounted the root over itself; in our namespace nothing else is worth keeping there.
            for _ in 0..MOST_MOUNTS_OVER_EACH_OTHER {
                if unsafe { libc::umount2(name.as_ptr(), libc::MNT_DETACH) } < 0 {
                    break;
                }
            }
        }
        if let Some(device) = self.device {
            device.wait_until_free();
        }
    }
}

fn failed(what: &str, errno: Errno) -> String {
    format!("cannot {}: {}", what, describe(errno))
}
