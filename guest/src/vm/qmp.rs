use super::text::word_after;
use crate::syscalls::{describe, send_descriptor};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::io::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// A machine that does not answer by then hangs.
const ANSWER: Duration = Duration::from_secs(30);
const MIGRATION: Duration = Duration::from_secs(120);
/// Number of the set of descriptors that holds the file which the state is written to.
const STATE_SET: u32 = 1;
const LARGEST_LINE: usize = 256 * 1024;

/// QEMU's control channel: commands and answers are lines of JSON.
pub struct Qmp {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Qmp {
    pub fn open(stream: UnixStream) -> Result<Qmp, String> {
        stream.set_read_timeout(Some(ANSWER)).map_err(|error| error.to_string())?;
        stream.set_write_timeout(Some(ANSWER)).map_err(|error| error.to_string())?;
        let mut qmp = Qmp { stream, buffer: Vec::new() };
        qmp.line()?;
        qmp.execute(r#"{"execute":"qmp_capabilities"}"#)?;
        Ok(qmp)
    }

    pub fn pause(&mut self) -> Result<(), String> {
        self.execute(r#"{"execute":"stop"}"#).map(drop)
    }

    pub fn resume(&mut self) -> Result<(), String> {
        self.execute(r#"{"execute":"cont"}"#).map(drop)
    }

    /// `running`, `paused`, …
    pub fn status(&mut self) -> Result<String, String> {
        let answer = self.execute(r#"{"execute":"query-status"}"#)?;
        word_after(&answer, r#""status": ""#).ok_or_else(|| "the machine monitor tells no status".to_string())
    }

    /// Writes the state of the machine's devices and processors to `file`, without its memory. The machine is paused.
    pub fn save(&mut self, file: &File) -> Result<(), String> {
        let command = format!("{{\"execute\":\"add-fd\",\"arguments\":{{\"fdset-id\":{}}}}}\n", STATE_SET);
        send_descriptor(self.stream.as_raw_fd(), command.as_bytes(), file.as_raw_fd()).map_err(describe)?;
        self.answer()?;
        // Made for Xen, which keeps the memory itself as we do; it needs nothing of Xen.
        let name = format!(r#"{{"filename":"/dev/fdset/{}","live":false}}"#, STATE_SET);
        let saved = self.execute(&format!(r#"{{"execute":"xen-save-devices-state","arguments":{}}}"#, name));
        self.execute(&format!(r#"{{"execute":"remove-fd","arguments":{{"fdset-id":{}}}}}"#, STATE_SET))?;
        saved.map(drop)
    }

    /// Takes up the state in the inherited descriptor `file` and lets the machine run.
    pub fn restore(&mut self, file: RawFd) -> Result<(), String> {
        self.execute(&format!(r#"{{"execute":"migrate-incoming","arguments":{{"uri":"fd:{}"}}}}"#, file))?;
        self.wait(|qmp| Ok(qmp.status()? != "inmigrate"))?;
        self.resume()
    }

    fn wait(&mut self, mut is_done: impl FnMut(&mut Qmp) -> Result<bool, String>) -> Result<(), String> {
        let late = Instant::now() + MIGRATION;
        while !is_done(self)? {
            if Instant::now() > late {
                return Err("the machine monitor does not get done".to_string());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn execute(&mut self, command: &str) -> Result<String, String> {
        let sent = self.stream.write_all(format!("{}\n", command).as_bytes());
        sent.map_err(|error| format!("the machine monitor does not listen: {}", error))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, String> {
        loop {
            let line = self.line()?;
            if line.starts_with(r#"{"return""#) {
                return Ok(line);
            }
            if line.starts_with(r#"{"error""#) {
                let said = word_after(&line, r#""desc": ""#).unwrap_or(line);
                return Err(format!("the machine monitor refused: {}", said));
            }
            // An event.
        }
    }

    fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.buffer.len() > LARGEST_LINE {
                return Err("the machine monitor says too much".to_string());
            }
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err("the machine monitor has ended".to_string()),
                Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
                Err(error) => return Err(format!("the machine monitor does not answer: {}", error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(script: &'static str) -> Result<Qmp, String> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(script.as_bytes()).unwrap();
        // Kept open for what is asked later.
        std::mem::forget(theirs);
        Qmp::open(ours)
    }

    #[test]
    fn answers_are_told_from_events() {
        let events = "{\"QMP\": {}}\n{\"return\": {}}\n{\"timestamp\": {}, \"event\": \"STOP\"}\n";
        let script = Box::leak(format!("{}{}", events, "{\"return\": {\"status\": \"paused\"}}\n").into_boxed_str());
        assert_eq!(answered(script).unwrap().status().unwrap(), "paused");
    }

    #[test]
    fn refusals_and_an_end_are_errors() {
        let refusal = "{\"QMP\": {}}\n{\"return\": {}}\n{\"error\": {\"class\": \"x\", \"desc\": \"not now\"}}\n";
        assert!(answered(refusal).unwrap().pause().unwrap_err().contains("not now"));
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(Qmp::open(ours).is_err());
    }
}
