use super::process::Process;
use crate::failure::{Failure, Outcome};
use crate::syscalls::{ended_child, reap, Ending};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

const FINISHED_KEPT: usize = 64;
const FINISHED_KEPT_FOR: Duration = Duration::from_secs(300);
const FINISHED_OUTPUT_BYTES: usize = 8 << 20;

/// Every process of the host: the running, and the last finished with what is left of their output.
#[derive(Default)]
pub struct ProcessTable(Mutex<Table>);

#[derive(Default)]
struct Table {
    last_id: u64,
    running: Vec<Arc<Process>>,
    finished: VecDeque<Arc<Process>>,
    spawning: usize,
    /// Children that ended before their spawner could register them.
    early: Vec<(i32, Ending)>,
}

impl ProcessTable {
    /// Runs `spawn` and registers what it made. A child that ends at once is not missed.
    pub fn spawn(
        &self,
        trial: bool,
        spawn: impl FnOnce() -> Outcome<i32>,
        describe: impl FnOnce(u64, i32) -> Process,
    ) -> Outcome<Arc<Process>> {
        self.lock().spawning += 1;
        let spawned = spawn();
        let mut table = self.lock();
        table.spawning -= 1;
        let registered = spawned.map(|pid| {
            table.last_id += u64::from(!trial);
            let process = Arc::new(describe(if trial { 0 } else { table.last_id }, pid));
            table.running.push(process.clone());
            let early = table.early.iter().find(|(early, _)| *early == pid).copied();
            if let Some((_, ending)) = early {
                process.lock().set_exit(ending, process.started);
                table.finish(&process);
            }
            process
        });
        if table.spawning == 0 {
            table.early.clear();
        }
        registered
    }

    /// Reaps every child that has ended, ours and orphans alike.
    pub fn reap_all(&self) {
        while let Some(pid) = ended_child() {
            let mut table = self.lock();
            let found = table.running.iter().find(|process| process.pid == pid).cloned();
            match found {
                Some(process) => {
                    let mut state = process.lock();
                    if let Some((_, ending)) = reap(pid) {
                        state.set_exit(ending, process.started);
                    }
                    drop(state);
                    table.finish(&process);
                }
                None => {
                    if let (Some(ended), true) = (reap(pid), table.spawning > 0) {
                        table.early.push(ended);
                    }
                }
            }
        }
    }

    /// Forgets what is too old or too much. Returns whether anything finished is still remembered.
    pub fn forget_old(&self) -> bool {
        let mut table = self.lock();
        table.forget_old();
        !table.finished.is_empty()
    }

    pub fn find(&self, id: &[u8]) -> Outcome<Arc<Process>> {
        let text = String::from_utf8_lossy(id);
        let table = self.lock();
        let mut all = table.running.iter().chain(&table.finished);
        let found = text.parse::<u64>().ok().and_then(|id| all.find(|process| process.id == id));
        found.cloned().ok_or_else(|| Failure::new("not_found", format!("no such process: {}", text)))
    }

    pub fn all(&self) -> Vec<Arc<Process>> {
        let table = self.lock();
        let known = table.finished.iter().chain(&table.running).filter(|process| !process.trial);
        let mut all: Vec<Arc<Process>> = known.cloned().collect();
        all.sort_by_key(|process| process.id);
        all
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Table {
    fn finish(&mut self, process: &Arc<Process>) {
        self.running.retain(|running| !Arc::ptr_eq(running, process));
        if process.trial {
            return;
        }
        self.finished.push_back(process.clone());
        self.forget_old();
    }

    fn forget_old(&mut self) {
        while self.finished.front().map_or(false, |oldest| self.finished.len() > FINISHED_KEPT || is_old(oldest)) {
            self.finished.pop_front();
        }
        let mut held = 0;
        for process in self.finished.iter().rev() {
            let mut state = process.lock();
            held += state.output.iter().map(|ring| ring.held()).sum::<usize>();
            if held > FINISHED_OUTPUT_BYTES && state.complete && state.viewers.is_empty() {
                state.output.iter_mut().for_each(|ring| ring.clear());
            }
        }
    }
}

fn is_old(process: &Process) -> bool {
    process.lock().exit.map_or(false, |exit| exit.at.elapsed() > FINISHED_KEPT_FOR)
}
