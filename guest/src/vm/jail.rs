use crate::libc;
use crate::syscalls::{c_string, check, describe, mount, Errno};
use std::fs::{create_dir, create_dir_all, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where the root of the machine monitor is made, in a mount namespace that nobody else sees.
const ROOT: &str = "/tmp";
/// What a program of the host needs to run, shown read-only.
const SHOWN: [&str; 8] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives"];
const DEVICES: [&str; 4] = ["null", "zero", "urandom", "random"];

/// A folder of its owner's, for the sockets of a monitor that makes some.
const SOCKETS: &str = "/run";

/// What is left to whoever is shut in.
pub struct Jail<'a> {
    /// By their names below /dev. They become `owner`'s.
    pub devices: &'a [String],
    pub owner: (u32, u32),
    /// It opens its network device by name, in the network that we are in: the sandbox's own.
    pub keeps_network: bool,
}

/// Leaves this process, and all it starts, alone with the programs of the host: no network of the host's, no files of users,
/// no other's shared memory, no devices but those named. The descriptors that are open stay open. Must be root still.
pub fn enter(Jail { devices, owner, keeps_network }: Jail) -> Result<(), String> {
    let network = if keeps_network { 0 } else { libc::CLONE_NEWNET };
    let namespaces = libc::CLONE_NEWNS | network | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    check(unsafe { libc::unshare(namespaces) }).map_err(|errno| failed("make namespaces", errno))?;
    mount("none", "/", "", libc::MS_REC | libc::MS_SLAVE, "").map_err(|errno| failed("keep mounts apart", errno))?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    mount("tmpfs", ROOT, "tmpfs", flags, "mode=0755,size=1m").map_err(|errno| failed("make a root", errno))?;
    for path in SHOWN {
        show(path, libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV).map_err(|errno| failed(path, errno))?;
    }
    let sockets = format!("{}{}", ROOT, SOCKETS);
    create_dir(&sockets).map_err(|error| format!("cannot make {}: {}", sockets, error))?;
    own(&sockets, owner, 0o700).map_err(|errno| failed(&sockets, errno))?;
    let folder = format!("{}/dev", ROOT);
    create_dir(&folder).map_err(|error| format!("cannot make {}: {}", folder, error))?;
    mount("tmpfs", &folder, "tmpfs", libc::MS_NOSUID | libc::MS_NOEXEC, "mode=0755,size=64k")
        .map_err(|errno| failed("make a folder of devices", errno))?;
    for name in DEVICES {
        make_device(name, 0o666, (0, 0))?;
    }
    for name in devices {
        if let Some((folder, _)) = name.rsplit_once('/') {
            let folder = format!("{}/dev/{}", ROOT, folder);
            create_dir_all(&folder).map_err(|error| format!("cannot make {}: {}", folder, error))?;
        }
        make_device(name, 0o600, owner)?;
    }
    let proc = format!("{}/proc", ROOT);
    create_dir(&proc).map_err(|error| format!("cannot make {}: {}", proc, error))?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    // Its own processes are all that others' are hidden from.
    mount("proc", &proc, "proc", flags, "hidepid=2")
        .or_else(|_| mount("/proc", &proc, "", libc::MS_BIND, ""))
        .map_err(|errno| failed("mount /proc", errno))?;
    let root = c_string(ROOT.as_bytes()).unwrap_or_default();
    let slash = c_string(b"/").unwrap_or_default();
    let entered = unsafe {
        check(libc::chdir(root.as_ptr()))
            .and_then(|_| mount(".", "/", "", libc::MS_MOVE, ""))
            .and_then(|_| check(libc::chroot(b".\0".as_ptr().cast())))
            .and_then(|_| check(libc::chdir(slash.as_ptr())))
    };
    entered.map(drop).map_err(|errno| failed("enter the new root", errno))
}

/// The same device as the host's of that name.
fn make_device(name: &str, mode: u32, owner: (u32, u32)) -> Result<(), String> {
    let (from, to) = (format!("/dev/{}", name), format!("{}/dev/{}", ROOT, name));
    let device = Path::new(&from).metadata().map_err(|error| format!("{}: {}", from, error))?.rdev();
    let path = c_string(to.as_bytes()).unwrap_or_default();
    check(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | mode, device) })
        .and_then(|_| own(&to, owner, mode))
        .map_err(|errno| failed(&from, errno))
}

fn own(path: &str, (uid, gid): (u32, u32), mode: u32) -> Result<(), Errno> {
    let path = c_string(path.as_bytes())?;
    unsafe {
        check(libc::chmod(path.as_ptr(), mode))?;
        check(libc::lchown(path.as_ptr(), uid, gid)).map(drop)
    }
}

fn show(path: &str, flags: u64) -> Result<(), Errno> {
    let metadata = match Path::new(path).symlink_metadata() {
        Ok(metadata) => metadata,
        Err(_) => return Ok(()),
    };
    let target = format!("{}{}", ROOT, path);
    let made = if metadata.file_type().is_symlink() {
        let link = std::fs::read_link(path).map_err(|_| libc::ENOENT)?;
        return std::os::unix::fs::symlink(link, &target).map_err(|_| libc::EIO);
    } else if metadata.is_dir() {
        create_dir_all(&target)
    } else {
        let folder = Path::new(&target).parent().unwrap_or_else(|| Path::new(ROOT));
        create_dir_all(folder).and_then(|()| File::create(&target).map(drop))
    };
    made.map_err(|_| libc::EIO)?;
    mount(path, &target, "", libc::MS_BIND, "")?;
    mount("none", &target, "", libc::MS_BIND | libc::MS_REMOUNT | flags, "")
}

fn failed(what: &str, errno: Errno) -> String {
    format!("cannot shut the machine monitor in: {}: {}", what, describe(errno))
}
