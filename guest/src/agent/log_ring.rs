use crate::frames::FieldWriter;
use crate::syscalls::{unix_ms, Waker};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

const CAPACITY: usize = 256 * 1024;
const ENTRY_OVERHEAD: usize = 64;

/// The last output and events of all processes together, each entry numbered.
#[derive(Default)]
pub struct LogRing(Mutex<Log>);

#[derive(Default)]
struct Log {
    last_seq: u64,
    size: usize,
    entries: VecDeque<Entry>,
    followers: Vec<Arc<Waker>>,
}

struct Entry {
    seq: u64,
    unix_ms: u64,
    process: u64,
    stream: &'static str,
    data: Box<[u8]>,
}

impl LogRing {
    pub fn push(&self, process: u64, stream: &'static str, data: &[u8]) {
        let mut log = self.lock();
        log.last_seq += 1;
        let entry = Entry { seq: log.last_seq, unix_ms: unix_ms(), process, stream, data: data.into() };
        log.size += entry.size();
        log.entries.push_back(entry);
        while log.size > CAPACITY {
            log.size -= log.entries.pop_front().map_or(log.size, |oldest| oldest.size());
        }
        log.followers.iter().for_each(|follower| follower.wake());
    }

    /// Payloads of the entries after `seq`, about `limit` bytes of them, and the number of the last.
    pub fn after(&self, seq: u64, limit: usize) -> (u64, Vec<Vec<u8>>) {
        let log = self.lock();
        let mut size = 0;
        let mut last = seq;
        let mut payloads = Vec::new();
        for entry in log.entries.iter().filter(|entry| entry.seq > seq) {
            payloads.push(entry.payload());
            last = entry.seq;
            size += entry.size();
            if size >= limit {
                break;
            }
        }
        (last, payloads)
    }

    pub fn follow(&self, follower: Arc<Waker>) {
        self.lock().followers.push(follower);
    }

    pub fn unfollow(&self, follower: &Arc<Waker>) {
        self.lock().followers.retain(|other| !Arc::ptr_eq(other, follower));
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Entry {
    fn size(&self) -> usize {
        self.data.len() + ENTRY_OVERHEAD
    }

    fn payload(&self) -> Vec<u8> {
        let fields = FieldWriter::new().text(1, self.seq).text(2, self.unix_ms).text(3, self.process);
        fields.text(4, self.stream).bytes(5, &self.data).done()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_and_numbers_go_on() {
        let log = LogRing::default();
        for _ in 0..10 {
            log.push(1, "stdout", &[0; 60_000]);
        }
        let (last, payloads) = log.after(0, usize::MAX);
        assert_eq!((last, payloads.len()), (10, 4));
        assert_eq!(log.after(9, usize::MAX).1.len(), 1);
        assert_eq!(log.after(10, usize::MAX).1.len(), 0);
    }
}
