use super::api::Api;
use super::monitor::Monitor;
use super::options::SAVED_FD;
use super::ram;
use super::snapshot::Saved;
use super::text::word_after;

/// Firecracker, by its API. What makes it boot or go on is told on our command line.
pub struct Firecracker {
    pub api: Api,
}

impl Monitor for Firecracker {
    fn status(&mut self) -> Result<String, String> {
        let info = self.api.request("GET /")?;
        match word_after(&info.replace(": ", ":"), r#""state":""#).as_deref() {
            Some("Running") => Ok("running".to_string()),
            Some("Paused") => Ok("paused".to_string()),
            other => Err(format!("the machine monitor tells an unknown status: {}", other.unwrap_or("none"))),
        }
    }

    fn pause(&mut self) -> Result<(), String> {
        self.api.request(r#"PATCH /vm {"state":"Paused"}"#).map(drop)
    }

    fn resume(&mut self) -> Result<(), String> {
        // It refuses what is so already.
        if self.status()? == "running" {
            return Ok(());
        }
        self.api.request(r#"PATCH /vm {"state":"Resumed"}"#).map(drop)
    }

    /// By its own descriptor of the folder, to which it knows no path.
    fn save(&mut self, saved: &Saved) -> Result<(), String> {
        let file = |name: &str| format!("/proc/self/fd/{}/{}", SAVED_FD, name);
        let (state, ram) = (file("state"), file("ram"));
        self.api.request(&format!(
            r#"PUT /snapshot/create {{"snapshot_type":"Full","snapshot_path":"{}","mem_file_path":"{}"}}"#,
            state, ram
        ))?;
        // It writes what the guest never touched too.
        ram::make_sparse(&saved.open("ram")?)
    }

    /// Its guest is told that all connections are over.
    fn saving_cuts_link(&self) -> bool {
        true
    }
}
