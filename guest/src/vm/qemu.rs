use super::monitor::Monitor;
use super::qmp::Qmp;
use super::ram;
use super::snapshot::Saved;
use std::fs::File;

/// QEMU, whose memory we copy ourselves.
pub struct Qemu {
    pub qmp: Qmp,
    pub pid: i32,
    /// What the machine's memory is mapped from.
    pub memory: File,
}

impl Monitor for Qemu {
    fn status(&mut self) -> Result<String, String> {
        self.qmp.status()
    }

    fn pause(&mut self) -> Result<(), String> {
        self.qmp.pause()
    }

    fn resume(&mut self) -> Result<(), String> {
        self.qmp.resume()
    }

    fn save(&mut self, saved: &Saved) -> Result<(), String> {
        self.qmp.save(&saved.create("state")?)?;
        ram::save(self.pid, &self.memory, &saved.create("ram")?)
    }

    fn saving_cuts_link(&self) -> bool {
        false
    }
}
