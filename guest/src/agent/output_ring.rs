/// The last bytes of an endless stream, addressed by their offset in it. Grows as needed up to its capacity.
pub struct OutputRing {
    bytes: Vec<u8>,
    capacity: usize,
    end: u64,
    length: usize,
}

impl OutputRing {
    pub fn new(capacity: usize) -> OutputRing {
        OutputRing { bytes: Vec::new(), capacity: capacity.max(1), end: 0, length: 0 }
    }

    /// Offset of the oldest byte kept.
    pub fn start(&self) -> u64 {
        self.end - self.length as u64
    }

    /// Offset that the next byte will have.
    pub fn end(&self) -> u64 {
        self.end
    }

    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Memory held.
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Appends, dropping the oldest bytes where the capacity does not hold all.
    pub fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.capacity)..];
        self.end += (bytes.len() - kept.len()) as u64;
        if kept.len() < bytes.len() {
            self.length = 0;
        }
        self.grow(self.length + kept.len());
        let size = self.bytes.len();
        if size == 0 {
            return;
        }
        let at = (self.end % size as u64) as usize;
        let first = kept.len().min(size - at);
        self.bytes[at..at + first].copy_from_slice(&kept[..first]);
        self.bytes[..kept.len() - first].copy_from_slice(&kept[first..]);
        self.end += kept.len() as u64;
        self.length = (self.length + kept.len()).min(size);
    }

    /// Appends to `into` at most `limit` bytes from `offset` on; an offset already dropped starts at the oldest kept.
    /// Returns the offset of the first byte copied and how many were.
    pub fn copy(&self, offset: u64, limit: usize, into: &mut Vec<u8>) -> (u64, usize) {
        let from = offset.clamp(self.start(), self.end);
        let count = limit.min((self.end - from) as usize);
        if count > 0 {
            let size = self.bytes.len();
            let at = (from % size as u64) as usize;
            let first = count.min(size - at);
            into.extend_from_slice(&self.bytes[at..at + first]);
            into.extend_from_slice(&self.bytes[..count - first]);
        }
        (from, count)
    }

    /// Forgets what is kept and gives its memory back; offsets go on.
    pub fn clear(&mut self) {
        self.bytes = Vec::new();
        self.length = 0;
    }

    fn grow(&mut self, needed: usize) {
        let size = self.bytes.len();
        if needed <= size || size == self.capacity {
            return;
        }
        let larger = needed.next_power_of_two().max(4096).min(self.capacity);
        let mut kept = Vec::with_capacity(self.length);
        self.copy(self.start(), self.length, &mut kept);
        let start = self.start();
        self.bytes = vec![0; larger];
        for (index, piece) in kept.iter().enumerate() {
            self.bytes[((start + index as u64) % larger as u64) as usize] = *piece;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ring: &OutputRing, offset: u64) -> (u64, Vec<u8>) {
        let mut bytes = Vec::new();
        let (from, _) = ring.copy(offset, usize::MAX, &mut bytes);
        (from, bytes)
    }

    #[test]
    fn keeps_everything_below_capacity() {
        let mut ring = OutputRing::new(10_000);
        for piece in 0..100u8 {
            ring.push(&[piece; 100]);
        }
        let expected: Vec<u8> = (0..100u8).flat_map(|piece| [piece; 100]).collect();
        assert_eq!(read(&ring, 0), (0, expected.clone()));
        assert_eq!(read(&ring, 9_950), (9_950, expected[9_950..].to_vec()));
    }

    #[test]
    fn drops_the_oldest_and_says_where_it_starts() {
        let mut ring = OutputRing::new(5);
        for chunk in [&b"abc"[..], b"defg", b"h"] {
            ring.push(chunk);
        }
        assert_eq!((ring.start(), ring.end()), (3, 8));
        assert_eq!(read(&ring, 0), (3, b"defgh".to_vec()));
        assert_eq!(read(&ring, 6), (6, b"gh".to_vec()));
        assert_eq!(read(&ring, 99), (8, Vec::new()));
    }

    #[test]
    fn a_chunk_larger_than_the_ring_leaves_its_tail() {
        let mut ring = OutputRing::new(4);
        ring.push(b"xy");
        ring.push(b"0123456789");
        assert_eq!(read(&ring, 0), (8, b"6789".to_vec()));
        assert_eq!(ring.end(), 12);
    }

    #[test]
    fn offsets_go_on_after_clearing() {
        let mut ring = OutputRing::new(4096);
        ring.push(b"before");
        ring.clear();
        ring.push(b"after");
        assert_eq!(read(&ring, 0), (6, b"after".to_vec()));
    }

    #[test]
    fn agrees_with_a_plain_vector_for_any_chunking() {
        let mut all = Vec::new();
        let mut ring = OutputRing::new(7000);
        let mut seed = 1u32;
        for _ in 0..500 {
            seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12345);
            let chunk: Vec<u8> = (0..seed % 997).map(|index| (index ^ seed) as u8).collect();
            all.extend_from_slice(&chunk);
            ring.push(&chunk);
            let (from, bytes) = read(&ring, 0);
            assert_eq!(bytes, all[from as usize..]);
            assert!(bytes.len() == all.len().min(7000));
        }
    }
}
