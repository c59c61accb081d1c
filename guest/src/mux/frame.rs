//! The frames of the link: `u8 kind, u8 0, u16 length, u32 stream`, big-endian, then the payload.

pub const HEADER: usize = 8;
pub const LARGEST_PAYLOAD: usize = 16 * 1024;
pub const NONCE: usize = 16;

/// Starts a session: the guest forgets every stream and answers WELCOME with the same nonce.
pub const HELLO: u8 = 1;
pub const WELCOME: u8 = 2;
pub const OPEN: u8 = 3;
pub const DATA: u8 = 4;
/// The receiver has passed on this many bytes (u32): as many more may come.
pub const CREDIT: u8 = 5;
/// The sender sends no more and still listens.
pub const END: u8 = 6;
/// The sender neither sends nor listens any more.
pub const CLOSE: u8 = 7;
/// Answered by SYNCED with the same nonce: nothing that was sent before is under way any more.
pub const SYNC: u8 = 8;
pub const SYNCED: u8 = 9;
/// As SYNC, and the guest sends nothing after its answer, until GO: whatever carries the link may be cut in between.
pub const HOLD: u8 = 10;
pub const GO: u8 = 11;

/// The other side does not keep to the protocol; nothing more of it can be understood.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation(pub &'static str);

#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

pub fn encode(outbox: &mut Vec<u8>, kind: u8, stream: u32, payload: &[u8]) {
    outbox.extend_from_slice(&[kind, 0]);
    outbox.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    outbox.extend_from_slice(&stream.to_be_bytes());
    outbox.extend_from_slice(payload);
}

/// The frame at the start of `bytes`, and how long it is with its header. `None` while some of it is missing.
pub fn decode(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Violation> {
    let (kind, zero, length, stream) = match bytes {
        [kind, zero, l1, l2, s1, s2, s3, s4, ..] => {
            (*kind, *zero, u16::from_be_bytes([*l1, *l2]) as usize, u32::from_be_bytes([*s1, *s2, *s3, *s4]))
        }
        _ => return Ok(None),
    };
    if zero != 0 || !(HELLO..=GO).contains(&kind) {
        return Err(Violation("a frame of unknown kind"));
    }
    let fits = match kind {
        HELLO | WELCOME | SYNC | SYNCED | HOLD => length == NONCE,
        DATA => (1..=LARGEST_PAYLOAD).contains(&length),
        CREDIT => length == 4,
        _ => length == 0,
    };
    if !fits {
        return Err(Violation("a frame of the wrong length"));
    }
    let whole = bytes.get(HEADER..HEADER + length);
    Ok(whole.map(|payload| (Frame { kind, stream, payload }, HEADER + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_out_as_it_went_in() {
        let mut bytes = Vec::new();
        encode(&mut bytes, DATA, 7, b"hello");
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Ok(None));
        }
        bytes.push(9);
        assert_eq!(decode(&bytes), Ok(Some((Frame { kind: DATA, stream: 7, payload: b"hello" }, 13))));
    }

    #[test]
    fn what_is_no_frame_is_refused_before_its_payload_is_waited_for() {
        for header in [
            [0, 0, 0, 0, 0, 0, 0, 1],
            [12, 0, 0, 0, 0, 0, 0, 1],
            [DATA, 1, 0, 1, 0, 0, 0, 1],
            [DATA, 0, 0, 0, 0, 0, 0, 1],
            [DATA, 0, 0x40, 1, 0, 0, 0, 1],
            [CREDIT, 0, 0, 5, 0, 0, 0, 1],
            [END, 0, 0, 1, 0, 0, 0, 1],
            [HELLO, 0, 0, 15, 0, 0, 0, 0],
        ] {
            assert!(decode(&header).is_err(), "{:?}", header);
        }
    }
}
