//! The wire format between host and guest: frames, and the fields inside their payloads.

pub const MAX_FRAME: usize = (1 << 20) + 64;
pub const CHUNK: usize = 64 * 1024;

/// Frame kinds. Requests are below 0x40, answers and stream frames above.
pub mod kind {
    pub const PING: u8 = 0x01;
    pub const EXEC: u8 = 0x02;
    pub const ATTACH: u8 = 0x03;
    pub const PROCESSES: u8 = 0x04;
    pub const SIGNAL: u8 = 0x05;
    pub const LOGS: u8 = 0x06;
    pub const READ: u8 = 0x10;
    pub const WRITE: u8 = 0x11;
    pub const STAT: u8 = 0x12;
    pub const LIST: u8 = 0x13;
    pub const MKDIR: u8 = 0x14;
    pub const MOVE: u8 = 0x15;
    pub const REMOVE: u8 = 0x16;
    pub const CHMOD: u8 = 0x17;
    pub const CHOWN: u8 = 0x18;
    pub const XATTR: u8 = 0x19;
    pub const WATCH: u8 = 0x1a;
    pub const SYMLINK: u8 = 0x1b;
    pub const DIAL: u8 = 0x20;
    pub const PORTS: u8 = 0x21;
    pub const LINK: u8 = 0x22;
    pub const METRICS: u8 = 0x30;
    pub const CONFIGURE: u8 = 0x31;
    pub const SUSPEND: u8 = 0x32;
    pub const ENVIRONMENT: u8 = 0x33;
    pub const FLUSH: u8 = 0x34;

    pub const OK: u8 = 0x40;
    pub const STARTED: u8 = 0x41;
    pub const STDOUT: u8 = 0x42;
    pub const STDERR: u8 = 0x43;
    pub const EXIT: u8 = 0x44;
    pub const ENTRY: u8 = 0x45;
    pub const END: u8 = 0x46;
    pub const LOG: u8 = 0x47;
    pub const DATA: u8 = 0x48;
    pub const EVENT: u8 = 0x49;
    pub const SYNCED: u8 = 0x4a;
    pub const STDIN: u8 = 0x50;
    pub const STDIN_EOF: u8 = 0x51;
    pub const CONTROL_SIGNAL: u8 = 0x52;
    pub const RESIZE: u8 = 0x53;
    pub const SYNC: u8 = 0x54;
    pub const LAUNCH: u8 = 0x60;
    /// Of the platform to the monitor of a microVM; the agent knows none of them.
    pub const VM_STATUS: u8 = 0x70;
    pub const VM_PAUSE: u8 = 0x71;
    pub const VM_RESUME: u8 = 0x72;
    pub const VM_SAVE: u8 = 0x73;
    pub const VM_CONSOLE: u8 = 0x74;
    pub const ERROR: u8 = 0x7f;
}

#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub payload: Vec<u8>,
}

/// What came in was not a frame; the message says why. Nothing after it can be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

pub fn header(kind: u8, payload_length: usize) -> [u8; 5] {
    let [a, b, c, d] = (payload_length as u32 + 1).to_be_bytes();
    [a, b, c, d, kind]
}

/// Cuts a byte stream into frames. Memory grows only to the largest frame seen, and is given back when all is consumed.
#[derive(Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    consumed: usize,
}

impl FrameBuffer {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.consumed > 0 {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub fn next(&mut self) -> Result<Option<Frame>, Malformed> {
        let (kind, length) = match self.peek()? {
            Some(found) => found,
            None => return Ok(None),
        };
        let start = self.consumed + 5;
        let payload = match self.bytes.get(start..start + length) {
            Some(payload) => payload.to_vec(),
            None => return Ok(None),
        };
        self.consumed = start + length;
        if self.consumed == self.bytes.len() {
            self.bytes = Vec::new();
            self.consumed = 0;
        }
        Ok(Some(Frame { kind, payload }))
    }

    /// How many bytes are worth reading next, to hold small requests small and large frames fast.
    pub fn wanted(&self) -> usize {
        let have = self.bytes.len() - self.consumed;
        match self.peek() {
            Ok(Some((_, length))) => (length + 5).saturating_sub(have).clamp(4096, CHUNK),
            _ => 4096,
        }
    }

    /// Bytes that came after the last frame taken: the start of a raw stream.
    pub fn into_rest(mut self) -> Vec<u8> {
        self.bytes.split_off(self.consumed)
    }

    fn peek(&self) -> Result<Option<(u8, usize)>, Malformed> {
        match self.bytes.get(self.consumed..) {
            Some([a, b, c, d, kind, ..]) => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                match length {
                    0 => Err(Malformed("frame of length 0")),
                    _ if length > MAX_FRAME => Err(Malformed("frame larger than 1 MiB")),
                    _ => Ok(Some((*kind, length - 1))),
                }
            }
            _ => Ok(None),
        }
    }
}

/// The fields of a payload: a repetition of tag, length, bytes. Unknown tags are for whoever knows them.
pub struct Fields<'a>(Vec<(u8, &'a [u8])>);

impl<'a> Fields<'a> {
    pub fn parse(mut payload: &'a [u8]) -> Result<Fields<'a>, Malformed> {
        let mut fields = Vec::new();
        while let [tag, a, b, c, d, rest @ ..] = payload {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let value = rest.get(..length).ok_or(Malformed("field longer than its frame"))?;
            fields.push((*tag, value));
            payload = &rest[length..];
        }
        match payload {
            [] => Ok(Fields(fields)),
            _ => Err(Malformed("bytes after the last field")),
        }
    }

    pub fn get(&self, tag: u8) -> Option<&'a [u8]> {
        self.0.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value)
    }

    pub fn all(&self, tag: u8) -> impl Iterator<Item = &'a [u8]> + '_ {
        self.0.iter().filter(move |(found, _)| *found == tag).map(|(_, value)| *value)
    }

    pub fn text(&self, tag: u8) -> Option<&'a str> {
        self.get(tag).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// A decimal number; `None` where the field is absent, an error where it is not a number.
    pub fn number(&self, tag: u8) -> Result<Option<u64>, Malformed> {
        match self.get(tag) {
            None => Ok(None),
            Some(_) => match self.text(tag).and_then(|text| text.parse().ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(Malformed("field is not a decimal number")),
            },
        }
    }

    pub fn flag(&self, tag: u8) -> bool {
        self.get(tag) == Some(b"1")
    }
}

/// Builds a payload of fields.
#[derive(Default)]
pub struct FieldWriter(Vec<u8>);

impl FieldWriter {
    pub fn new() -> FieldWriter {
        FieldWriter::default()
    }

    pub fn bytes(mut self, tag: u8, value: &[u8]) -> Self {
        self.0.push(tag);
        self.0.extend_from_slice(&(value.len() as u32).to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    pub fn text(self, tag: u8, value: impl std::fmt::Display) -> Self {
        self.bytes(tag, value.to_string().as_bytes())
    }

    pub fn flag(self, tag: u8, value: bool) -> Self {
        if value {
            self.bytes(tag, b"1")
        } else {
            self
        }
    }

    pub fn optional(self, tag: u8, value: Option<impl std::fmt::Display>) -> Self {
        match value {
            Some(value) => self.text(tag, value),
            None => self,
        }
    }

    pub fn list<'a>(self, tag: u8, values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        values.into_iter().fold(self, |writer, value| writer.bytes(tag, value))
    }

    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(kind: u8, payload: &[u8]) -> Vec<u8> {
        [&header(kind, payload.len())[..], payload].concat()
    }

    #[test]
    fn frames_come_out_whole_however_they_were_cut() {
        let stream = [encoded(1, b""), encoded(2, b"hello"), encoded(3, &[7; 5000])].concat();
        for cut in [1, 3, 7, 4096] {
            let mut buffer = FrameBuffer::default();
            let mut frames = Vec::new();
            for piece in stream.chunks(cut) {
                buffer.push(piece);
                while let Some(frame) = buffer.next().unwrap() {
                    frames.push(frame);
                }
            }
            assert_eq!(frames.len(), 3);
            assert_eq!(frames[1], Frame { kind: 2, payload: b"hello".to_vec() });
            assert_eq!(frames[2].payload, vec![7; 5000]);
        }
    }

    #[test]
    fn empty_and_oversized_frames_are_malformed() {
        for length in [0u32, MAX_FRAME as u32 + 1, u32::MAX] {
            let mut buffer = FrameBuffer::default();
            buffer.push(&length.to_be_bytes());
            buffer.push(&[1]);
            assert!(buffer.next().is_err());
        }
    }

    #[test]
    fn what_follows_the_last_frame_is_kept() {
        let mut buffer = FrameBuffer::default();
        buffer.push(&[encoded(1, b"x"), b"raw bytes".to_vec()].concat());
        assert_eq!(buffer.next().unwrap().unwrap().kind, 1);
        assert_eq!(buffer.into_rest(), b"raw bytes");
    }

    #[test]
    fn fields_round_trip() {
        let payload =
            FieldWriter::new().bytes(1, b"a").bytes(1, b"\xff\0").text(2, 42).flag(3, true).flag(4, false).done();
        let fields = Fields::parse(&payload).unwrap();
        assert_eq!(fields.all(1).collect::<Vec<_>>(), vec![&b"a"[..], &b"\xff\0"[..]]);
        assert_eq!(fields.number(2), Ok(Some(42)));
        assert!(fields.flag(3) && !fields.flag(4));
        assert!(fields.number(1).is_err());
        assert_eq!(fields.number(9), Ok(None));
    }

    #[test]
    fn fields_cut_short_are_malformed() {
        for payload in [&b"\x01\0\0\0\x05abc"[..], b"\x01\0\0", b"\x01\xff\xff\xff\xffabc"] {
            assert!(Fields::parse(payload).is_err());
        }
    }
}
