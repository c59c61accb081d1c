use super::write_limit::WriteLimit;
use crate::libc;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub dir: String,
    pub disk: Disk,
    pub disk_mb: u64,
    /// An ext4 image that holds a copy of the skeleton.
    pub image: Option<String>,
    pub skeleton: Option<String>,
    pub uid_base: u32,
    /// For a disk on a loop device.
    pub write_limit: Option<WriteLimit>,
    /// The `uid_base` of the sandbox whose disk this was, to which its files belong.
    pub shift_from: Option<u32>,
    /// Where the root is mounted: by default `rootfs` in `dir`, which every user must be able to reach.
    pub mount_at: Option<String>,
    /// Folders of files that the disk is laid over, the topmost first, owned as inside. Without them the disk is the root.
    pub layers: Vec<String>,
    /// Files of the host shown read-only in the root: source, and place below the root.
    pub binds: Vec<(String, String)>,
    /// Disks that other sandboxes may mount too: image, place below the root, and whether it is for reading alone.
    pub volumes: Vec<(String, String, bool)>,
    /// Files the runtime inherits open for reading: descriptor and path.
    pub opened: Vec<(i32, String)>,
    /// Where the runtime, all else being done, waits for a byte before it starts its program.
    pub gate: Option<i32>,
    /// Sockets in `dir` on which the runtime listens: descriptor and name.
    pub listens: Vec<(i32, String)>,
    pub cgroups: Vec<String>,
    pub limits: Vec<(libc::c_int, u64)>,
    pub identity: Option<(u32, u32)>,
    /// The network namespace that the runtime is started in.
    pub network: Option<String>,
    /// Show that namespace's part of the kernel's object tree at `sys` in the root, read-only: a runtime that maps its
    /// user may not do it for a network that is not its own.
    pub sysfs: bool,
    /// Folders of the host that the runtime sees empty.
    pub hidden: Vec<String>,
    /// What the runtime takes for the memory of the machine, in MiB.
    pub shown_memory_mb: Option<u64>,
    pub detached: bool,
    /// When all is made, wait for the word `run` before the runtime is started, or let through the gate.
    pub hold: bool,
    pub pid_file: Option<String>,
    /// A detached runtime only prepares the sandbox, and this command line lets it begin, after the wait if there is one.
    pub begin: Vec<String>,
    /// What that command line locks first: locked by us it is started before the wait, and held up there.
    pub begin_lock: Option<String>,
    pub runtime: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disk {
    #[default]
    None,
    Tmpfs,
    Loop,
}

impl Disk {
    pub fn name(self) -> &'static str {
        match self {
            Disk::None => "none",
            Disk::Tmpfs => "tmpfs",
            Disk::Loop => "loop",
        }
    }
}

impl Options {
    pub fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            match name.as_str() {
                "--" => {
                    options.runtime = rest.cloned().collect();
                    return options.checked();
                }
                "--detached" => options.detached = true,
                "--hold" => options.hold = true,
                "--sysfs" => options.sysfs = true,
                _ => {
                    let value = rest.next().ok_or_else(|| format!("{} takes a value", name))?;
                    options.set(name, value)?;
                }
            }
        }
        Err("the runtime's command line is missing (after --)".to_string())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let text = || value.to_string();
        match name {
            "--dir" => self.dir = text(),
            "--disk" => self.disk = parse_disk(value)?,
            "--disk-mb" => self.disk_mb = parse_number(name, value)?,
            "--image" => self.image = Some(text()),
            "--skeleton" => self.skeleton = Some(text()),
            "--uid-base" => self.uid_base = parse_number(name, value)?,
            "--shift-from" => self.shift_from = Some(parse_number(name, value)?),
            "--mount-at" => self.mount_at = Some(text()),
            "--layer" => self.layers.push(text()),
            "--bind" => self.binds.push(parse_pair(name, value)?),
            "--volume" | "--volume-ro" => {
                let (image, target) = parse_pair(name, value)?;
                self.volumes.push((image, target, name == "--volume-ro"));
            }
            "--open" => self.opened.push(parse_opened(name, value)?),
            "--listen" => self.listens.push(parse_opened(name, value)?),
            "--cgroup" => self.cgroups.push(text()),
            "--rlimit" => self.limits.push(parse_limit(value)?),
            "--setid" => self.identity = Some(parse_identity(value)?),
            "--gate" => self.gate = Some(parse_number(name, value)?),
            "--write-limit" => {
                let (file, bytes) = parse_pair(name, value)?;
                self.write_limit = Some(WriteLimit { file, bytes_per_second: parse_number(name, &bytes)? });
            }
            "--hide" => self.hidden.push(text()),
            "--shown-memory-mb" => self.shown_memory_mb = Some(parse_number(name, value)?),
            "--netns" => self.network = Some(text()),
            "--pid-file" => self.pid_file = Some(text()),
            "--begin" => self.begin.push(text()),
            "--begin-lock" => self.begin_lock = Some(text()),
            _ => return Err(format!("unknown option: {}", name)),
        }
        Ok(())
    }

    /// The sandbox's, by which the platform knows whose start is reported: the name of its folder.
    pub fn id(&self) -> &str {
        self.dir.rsplit('/').next().unwrap_or_default()
    }

    fn checked(self) -> Result<Options, String> {
        let missing = match &self {
            _ if self.dir.is_empty() => "--dir is missing",
            _ if self.runtime.is_empty() => "the runtime's command line is missing (after --)",
            _ if self.detached && self.pid_file.is_none() => "--detached needs --pid-file",
            _ if !self.begin.is_empty() && !self.detached => "--begin needs --detached",
            _ if self.disk == Disk::Tmpfs && self.disk_mb == 0 => "--disk tmpfs needs --disk-mb",
            _ if self.disk == Disk::Loop && self.image.is_none() => "--disk loop needs --image",
            _ => return Ok(self),
        };
        Err(missing.to_string())
    }
}

fn parse_number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{} takes a number, not {}", name, value))
}

fn parse_disk(value: &str) -> Result<Disk, String> {
    let all = [Disk::None, Disk::Tmpfs, Disk::Loop];
    all.into_iter()
        .find(|disk| disk.name() == value)
        .ok_or_else(|| format!("--disk is loop, tmpfs or none, not {}", value))
}

fn parse_limit(value: &str) -> Result<(libc::c_int, u64), String> {
    let (name, limit) = value.split_once('=').ok_or_else(|| format!("--rlimit takes name=value, not {}", value))?;
    let resource = match name {
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        "core" => libc::RLIMIT_CORE,
        "fsize" => libc::RLIMIT_FSIZE,
        _ => return Err(format!("--rlimit knows nofile, nproc, core and fsize, not {}", name)),
    };
    Ok((resource, parse_number("--rlimit", limit)?))
}

fn parse_pair(name: &str, value: &str) -> Result<(String, String), String> {
    let (left, right) = value.rsplit_once(':').ok_or_else(|| format!("{} takes SOURCE:TARGET, not {}", name, value))?;
    Ok((left.to_string(), right.to_string()))
}

fn parse_opened(name: &str, value: &str) -> Result<(i32, String), String> {
    let (fd, path) = value.split_once(':').ok_or_else(|| format!("{} takes FD:PATH, not {}", name, value))?;
    Ok((parse_number(name, fd)?, path.to_string()))
}

fn parse_identity(value: &str) -> Result<(u32, u32), String> {
    let (uid, gid) = value.split_once(':').ok_or_else(|| format!("--setid takes UID:GID, not {}", value))?;
    Ok((parse_number("--setid", uid)?, parse_number("--setid", gid)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split(' ').map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_full_command_line() {
        let line = "--dir /d --disk tmpfs --disk-mb 64 --uid-base 100000 --shift-from 70000 --cgroup /a --cgroup /b \
                    --mount-at /mnt --bind /a:b/c --volume /v:home/user/v --volume-ro /r:r --open 4:/f --listen 5:s.sock --rlimit nofile=1024 --setid 5:6 \
                    --write-limit /c/io.max:9 --netns /n --sysfs --hide /h --shown-memory-mb 512 --gate 7 --hold --detached --pid-file pid --begin runc --begin start --begin-lock /l -- runc run --detach x";
        let options = parse(line).unwrap();
        assert_eq!((options.disk, options.disk_mb, options.uid_base), (Disk::Tmpfs, 64, 100_000));
        assert_eq!(options.shift_from, Some(70_000));
        assert_eq!(options.cgroups, ["/a", "/b"]);
        assert_eq!(options.mount_at.as_deref(), Some("/mnt"));
        assert_eq!(options.binds, [("/a".to_string(), "b/c".to_string())]);
        assert_eq!(options.volumes, [("/v".into(), "home/user/v".into(), false), ("/r".into(), "r".into(), true)]);
        assert_eq!(options.opened, [(4, "/f".to_string())]);
        assert_eq!(options.listens, [(5, "s.sock".to_string())]);
        assert_eq!(options.limits, [(libc::RLIMIT_NOFILE, 1024)]);
        assert_eq!(options.identity, Some((5, 6)));
        assert!(options.hold && options.detached);
        assert_eq!(options.gate, Some(7));
        assert_eq!(options.write_limit, Some(WriteLimit { file: "/c/io.max".to_string(), bytes_per_second: 9 }));
        assert_eq!(options.hidden, ["/h"]);
        assert_eq!(options.shown_memory_mb, Some(512));
        assert_eq!((options.network.as_deref(), options.sysfs), (Some("/n"), true));
        assert_eq!((options.begin, options.begin_lock.as_deref()), (vec!["runc".into(), "start".into()], Some("/l")));
        assert_eq!(options.runtime, ["runc", "run", "--detach", "x"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (line, named) in [
            ("--dir /d", "runtime"),
            ("--disk none -- true", "--dir"),
            ("--dir /d --disk ram -- true", "ram"),
            ("--dir /d --disk tmpfs -- true", "--disk-mb"),
            ("--dir /d --disk loop -- true", "--image"),
            ("--dir /d --detached -- true", "--pid-file"),
            ("--dir /d --begin runc -- true", "--begin"),
            ("--dir /d --rlimit stack=1 -- true", "stack"),
            ("--dir /d --colour red -- true", "--colour"),
        ] {
            assert!(parse(line).unwrap_err().contains(named), "{}", line);
        }
    }
}
