use std::os::unix::io::RawFd;

/// Descriptors that the machine monitor finds open, and its command line names.
pub const LINK_FD: RawFd = 10;
pub const QMP_FD: RawFd = 11;
pub const CONSOLE_FD: RawFd = 12;
pub const MEMORY_FD: RawFd = 13;
pub const DISK_FD: RawFd = 14;
pub const TAP_FD: RawFd = 15;
/// The folder that the machine is saved to.
pub const SAVED_FD: RawFd = 16;
/// Given by `--file`, from here on.
pub const FIRST_FILE_FD: RawFd = 20;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub identity: (u32, u32),
    /// The guest's memory, a new file in memory.
    pub memory_mb: u64,
    /// Instead of a new file: the sealed one of process and descriptor.
    pub memory_of: Option<(u32, RawFd)>,
    /// What the sandbox's disk is a copy of.
    pub disk_from: String,
    /// Files opened for reading: descriptor and path.
    pub files: Vec<(RawFd, String)>,
    /// The machine's saved state is read from this one of them.
    pub incoming: Option<RawFd>,
    /// Of a monitor that is told what to do by its API: where it serves that, below its root.
    pub api: Option<String>,
    /// Requests that make the machine run: `METHOD PATH BODY`.
    pub requests: Vec<String>,
    /// Where it leads to the guest's ports, and at which of them the agent listens.
    pub vsock: Option<(String, u32)>,
    /// Devices of the host that the machine monitor may open, by their names below /dev.
    pub devices: Vec<String>,
    /// Interface of the sandbox's network that the machine has in its place.
    pub network: Option<String>,
    pub command: Vec<String>,
}

impl Options {
    pub fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if name == "--" {
                options.command = rest.cloned().collect();
                return options.checked();
            }
            let value = rest.next().ok_or_else(|| format!("{} takes a value", name))?;
            options.set(name, value)?;
        }
        Err("the command line of the machine monitor is missing (after --)".to_string())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--setid" => self.identity = pair(name, value)?,
            "--memory-mb" => self.memory_mb = number(name, value)?,
            "--memory-of" => self.memory_of = Some(pair(name, value)?),
            "--disk-from" => self.disk_from = value.to_string(),
            "--network" => self.network = Some(value.to_string()),
            "--device" => self.devices.push(value.to_string()),
            "--api" => self.api = Some(value.to_string()),
            "--request" => self.requests.push(value.to_string()),
            "--vsock" => self.vsock = Some(pair(name, value)?),
            "--incoming" => self.incoming = Some(number(name, value)?),
            "--file" => {
                let (fd, path) = value.split_once(':').ok_or_else(|| format!("--file takes FD:PATH, not {}", value))?;
                let fd = number(name, fd)?;
                if !(FIRST_FILE_FD..FIRST_FILE_FD + 16).contains(&fd) {
                    return Err(format!("--file takes descriptors from {} on, not {}", FIRST_FILE_FD, fd));
                }
                self.files.push((fd, path.to_string()));
            }
            _ => return Err(format!("unknown option: {}", name)),
        }
        Ok(())
    }

    fn checked(self) -> Result<Options, String> {
        let missing = match &self {
            _ if self.identity.0 == 0 || self.identity.1 == 0 => "--setid must name a user other than root",
            _ if self.memory_mb == 0 => "--memory-mb is missing",
            _ if self.disk_from.is_empty() => "--disk-from is missing",
            _ if self.api.is_some() != self.vsock.is_some() => "--api and --vsock belong together",
            _ if self.command.is_empty() => "the command line of the machine monitor is missing (after --)",
            _ => return Ok(self),
        };
        Err(missing.to_string())
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{} takes a number, not {}", name, value))
}

fn pair<A: std::str::FromStr, B: std::str::FromStr>(name: &str, value: &str) -> Result<(A, B), String> {
    let (left, right) = value.split_once(':').ok_or_else(|| format!("{} takes A:B, not {}", name, value))?;
    Ok((number(name, left)?, number(name, right)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split(' ').map(str::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_full_command_line() {
        let line = "--setid 5:6 --memory-mb 64 --memory-of 9:3 --disk-from /d --file 20:/k --incoming 20 -- qemu -M q35";
        let options = parse(line).unwrap();
        assert_eq!((options.identity, options.memory_mb, options.memory_of), ((5, 6), 64, Some((9, 3))));
        assert_eq!(options.files, [(20, "/k".to_string())]);
        assert_eq!((options.incoming, options.command.len()), (Some(20), 3));
    }

    #[test]
    fn a_monitor_with_an_api() {
        let words = ["--setid", "5:6", "--memory-mb", "64", "--disk-from", "/d", "--api", "/run/a", "--vsock", "/run/v:1024"];
        let more = ["--request", "PUT /x {}", "--request", "PUT /y {}", "--", "/proc/self/fd/24"];
        let words: Vec<String> = words.iter().chain(&more).map(|word| word.to_string()).collect();
        let options = Options::parse(&words).unwrap();
        assert_eq!((options.api.as_deref(), options.vsock), (Some("/run/a"), Some(("/run/v".to_string(), 1024))));
        assert_eq!(options.requests, ["PUT /x {}", "PUT /y {}"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (line, named) in [
            ("--setid 5:6 --memory-mb 64 --disk-from /d", "command line"),
            ("--setid 0:6 --memory-mb 64 --disk-from /d -- qemu", "--setid"),
            ("--setid 5:6 --disk-from /d -- qemu", "--memory-mb"),
            ("--setid 5:6 --memory-mb 64 -- qemu", "--disk-from"),
            ("--setid 5:6 --memory-mb 64 --disk-from /d --api /a -- x", "--vsock"),
            ("--setid 5:6 --file 3:/k -- qemu", "--file"),
            ("--colour red -- qemu", "--colour"),
        ] {
            assert!(parse(line).unwrap_err().contains(named), "{}", line);
        }
    }
}
