use super::snapshot::Saved;

/// The program that runs the machine, as far as it is told what to do.
pub trait Monitor: Send {
    /// `running`, `paused`, …
    fn status(&mut self) -> Result<String, String>;
    fn pause(&mut self) -> Result<(), String>;
    /// Idempotent.
    fn resume(&mut self) -> Result<(), String>;
    /// Writes `state` and `ram`. The machine is paused.
    fn save(&mut self, saved: &Saved) -> Result<(), String>;
    /// Whether the connection to the agent inside ends when the machine is saved.
    fn saving_cuts_link(&self) -> bool;
}
