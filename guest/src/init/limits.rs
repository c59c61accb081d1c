use super::place;
use crate::libc;
use crate::syscalls::{c_string, open};
use std::fs::{create_dir, read_to_string, write};
use std::os::unix::io::{AsRawFd, OwnedFd};

const HIERARCHY: &str = "/limits";
const GROUP: &str = "/limits/sandbox";

/// The guest kernel's control group that agent and programs are in. It lies outside of the sandbox's root: nobody inside
/// reaches it by a path.
pub struct LimitGroup(OwnedFd);

impl LimitGroup {
    /// Makes the group and puts this process into it. All that it starts is in it too.
    pub fn join() -> Result<LimitGroup, String> {
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        place("cgroup2", HIERARCHY, "cgroup2", flags, "")?;
        let told = |path: &str, error: std::io::Error| format!("{}: {}", path, error);
        let control = format!("{}/cgroup.subtree_control", HIERARCHY);
        write(&control, "+memory +pids").map_err(|error| told(&control, error))?;
        create_dir(GROUP).map_err(|error| told(GROUP, error))?;
        write(format!("{}/cgroup.procs", GROUP), "0").map_err(|error| told(GROUP, error))?;
        let path = c_string(GROUP.as_bytes()).unwrap_or_default();
        let folder = open(&path, libc::O_RDONLY | libc::O_DIRECTORY, 0);
        folder.map(LimitGroup).map_err(|errno| super::failed("open the control group", errno))
    }

    pub fn set(&self, file: &str, value: u64) -> Result<(), std::io::Error> {
        write(self.path(file), value.to_string())
    }

    /// Times the kernel killed a process here for want of memory.
    pub fn oom_kills(&self) -> u64 {
        let events = read_to_string(self.path("memory.events")).unwrap_or_default();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/self/fd/{}/{}", self.0.as_raw_fd(), file)
    }
}
