use super::frame::{self, decode, encode, Frame, Violation, HEADER, LARGEST_PAYLOAD, NONCE};
use super::stream::{Heard, Stream};
use crate::libc::pollfd;
use std::collections::BTreeMap;
use std::os::unix::io::OwnedFd;

pub const MOST_STREAMS: usize = 512;
/// Bytes waiting for the link above which no socket is read.
const FULL_OUTBOX: usize = 8 * LARGEST_PAYLOAD;
/// What may come before the answer to HELLO: the rest of what the guest of a snapshot had to say to another host.
const MOST_LEFTOVERS: usize = 4 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Opens streams. Trusts nothing that comes.
    Host,
    Guest,
}

/// Makes the local end of a stream that the host has opened; `None` refuses it.
pub type Opener<'a> = &'a mut dyn FnMut() -> Option<OwnedFd>;

/// One end of the link, without the link: bytes go in by `receive` and come out of `outbox`. What goes to the host is
/// never lost while the host listens; what goes to the guest is, when the host hangs up: there, hanging up is a word.
pub struct Engine {
    side: Side,
    streams: BTreeMap<u32, Stream>,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// How much of the outbox may be sent before what is held back is released.
    may_send: usize,
    /// Host: the guest is held.
    holds: bool,
    last_id: u32,
    /// Host: what WELCOME must carry, while it is waited for.
    awaited_welcome: Option<[u8; NONCE]>,
    leftovers: usize,
    awaited_sync: Option<[u8; NONCE]>,
    /// Where the next round begins, so that no stream is always the last.
    turn: u32,
}

impl Engine {
    pub fn host(nonce: [u8; NONCE]) -> Engine {
        let mut engine = Engine::new(Side::Host);
        engine.awaited_welcome = Some(nonce);
        encode(&mut engine.outbox, frame::HELLO, 0, &nonce);
        engine
    }

    pub fn guest() -> Engine {
        Engine::new(Side::Guest)
    }

    fn new(side: Side) -> Engine {
        Engine {
            side,
            streams: BTreeMap::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            may_send: usize::MAX,
            holds: false,
            last_id: 0,
            awaited_welcome: None,
            leftovers: 0,
            awaited_sync: None,
            turn: 0,
        }
    }

    pub fn may_open(&self) -> bool {
        self.awaited_welcome.is_none() && self.streams.len() < MOST_STREAMS
    }

    pub fn is_welcome(&self) -> bool {
        self.awaited_welcome.is_none()
    }

    /// Host: a new stream for this socket.
    pub fn open(&mut self, socket: OwnedFd) {
        loop {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            if !self.streams.contains_key(&self.last_id) {
                break;
            }
        }
        self.streams.insert(self.last_id, Stream::new(socket));
        encode(&mut self.outbox, frame::OPEN, self.last_id, &[]);
    }

    /// Host: asks the guest to say when it has taken everything that is in the outbox now. More is not sent until `release`;
    /// with `hold`, by the guest neither.
    pub fn sync(&mut self, nonce: [u8; NONCE], hold: bool) {
        self.awaited_sync = Some(nonce);
        self.holds = hold;
        encode(&mut self.outbox, if hold { frame::HOLD } else { frame::SYNC }, 0, &nonce);
        self.may_send = self.outbox.len();
    }

    /// Host: both go on, on the same link or another.
    pub fn release(&mut self) {
        self.awaited_sync = None;
        self.may_send = usize::MAX;
        if std::mem::take(&mut self.holds) {
            encode(&mut self.outbox, frame::GO, 0, &[]);
        }
    }

    /// Host: nothing is under way, in neither direction, until `release`.
    pub fn is_held(&self) -> bool {
        self.holds && self.awaited_sync.is_none()
    }

    /// What may be sent now.
    pub fn sendable(&self) -> &[u8] {
        &self.outbox[..self.outbox.len().min(self.may_send)]
    }

    pub fn sent(&mut self, count: usize) {
        self.outbox.drain(..count);
        if self.may_send != usize::MAX {
            self.may_send -= count;
        }
    }

    /// The link is another: what had come of a frame on the old one is nothing any more.
    pub fn forget_partial(&mut self) {
        self.inbox.clear();
    }

    pub fn is_syncing(&self) -> bool {
        self.awaited_sync.is_some()
    }

    pub fn receive(&mut self, bytes: &[u8], opener: Opener) -> Result<(), Violation> {
        self.inbox.extend_from_slice(bytes);
        if self.awaited_welcome.is_some() && !self.skip_to_welcome()? {
            return Ok(());
        }
        let inbox = std::mem::take(&mut self.inbox);
        let mut rest = &inbox[..];
        while let Some((frame, length)) = decode(rest)? {
            self.obey(frame, opener)?;
            rest = &rest[length..];
        }
        self.inbox = rest.to_vec();
        Ok(())
    }

    /// True when it has come.
    fn skip_to_welcome(&mut self) -> Result<bool, Violation> {
        let mut wanted = Vec::with_capacity(HEADER + NONCE);
        encode(&mut wanted, frame::WELCOME, 0, &self.awaited_welcome.unwrap_or_default());
        match self.inbox.windows(wanted.len()).position(|bytes| bytes == wanted) {
            Some(at) => {
                self.inbox.drain(..at + wanted.len());
                self.awaited_welcome = None;
                Ok(true)
            }
            None => {
                // The last bytes may be its beginning.
                let skipped = self.inbox.len().saturating_sub(wanted.len() - 1);
                self.inbox.drain(..skipped);
                self.leftovers += skipped;
                if self.leftovers > MOST_LEFTOVERS {
                    return Err(Violation("no answer to the greeting"));
                }
                Ok(false)
            }
        }
    }

    fn obey(&mut self, frame: Frame, opener: Opener) -> Result<(), Violation> {
        match (self.side, frame.kind) {
            (Side::Guest, frame::HELLO) => {
                self.streams.clear();
                self.may_send = usize::MAX;
                encode(&mut self.outbox, frame::WELCOME, 0, frame.payload);
            }
            (Side::Guest, frame::SYNC) => encode(&mut self.outbox, frame::SYNCED, 0, frame.payload),
            (Side::Guest, frame::HOLD) => {
                encode(&mut self.outbox, frame::SYNCED, 0, frame.payload);
                self.may_send = self.outbox.len();
            }
            (Side::Guest, frame::GO) => self.may_send = usize::MAX,
            (Side::Host, frame::SYNCED) => {
                if self.awaited_sync.map_or(false, |nonce| nonce == frame.payload) {
                    self.awaited_sync = None;
                }
            }
            (Side::Guest, frame::OPEN) => self.accept(frame.stream, opener)?,
            (_, frame::DATA | frame::CREDIT | frame::END | frame::CLOSE) => self.pass(frame)?,
            _ => return Err(Violation("a frame that only the other side may send")),
        }
        Ok(())
    }

    fn accept(&mut self, id: u32, opener: Opener) -> Result<(), Violation> {
        if self.streams.contains_key(&id) {
            return Err(Violation("a stream that is open is opened"));
        }
        let socket = if self.streams.len() < MOST_STREAMS { opener() } else { None };
        match socket {
            Some(socket) => drop(self.streams.insert(id, Stream::new(socket))),
            None => encode(&mut self.outbox, frame::CLOSE, id, &[]),
        }
        Ok(())
    }

    fn pass(&mut self, frame: Frame) -> Result<(), Violation> {
        // One that we have closed may still be spoken to until the other side hears of it.
        let stream = match self.streams.get_mut(&frame.stream) {
            Some(stream) => stream,
            None => return Ok(()),
        };
        match frame.kind {
            frame::DATA => stream.take(frame.payload)?,
            frame::CREDIT => {
                let count = <[u8; 4]>::try_from(frame.payload).map_or(0, u32::from_be_bytes);
                stream.add_credit(count as usize)?;
            }
            frame::END => {
                stream.remote_ended = true;
                stream.pass_on();
            }
            _ => {
                stream.remote_ended = true;
                stream.remote_gone = true;
                stream.pass_on();
            }
        }
        self.settle(frame.stream);
        Ok(())
    }

    /// One entry for each stream, in the order that `step` expects.
    pub fn poll_entries(&self) -> impl Iterator<Item = pollfd> + '_ {
        let may_read = self.outbox.len() < FULL_OUTBOX;
        self.streams.values().map(move |stream| stream.poll_entry(may_read))
    }

    /// Does what the sockets are ready for. `entries` are those of `poll_entries`, after polling, nothing received between.
    pub fn step(&mut self, entries: &[pollfd]) {
        let mut ready: Vec<(u32, i16)> =
            self.streams.keys().copied().zip(entries.iter().map(|entry| entry.revents)).collect();
        let first = ready.iter().position(|(id, _)| *id > self.turn).unwrap_or(0);
        ready.rotate_left(first);
        for (id, events) in ready.into_iter().filter(|(_, events)| *events != 0) {
            self.serve(id, events);
            self.turn = id;
        }
    }

    fn serve(&mut self, id: u32, events: i16) {
        let has_room = self.outbox.len() < FULL_OUTBOX;
        let stream = match self.streams.get_mut(&id) {
            Some(stream) => stream,
            None => return,
        };
        stream.pass_on();
        loop {
            // Nobody listens to what a socket says whose stream is over; that it hung up counts all the same.
            match if has_room { stream.hear(events) } else { Heard::Nothing } {
                Heard::Nothing => break,
                Heard::Data(bytes) if !stream.remote_gone => encode(&mut self.outbox, frame::DATA, id, &bytes),
                Heard::Data(_) => {}
                Heard::End => {
                    stream.local_ended = true;
                    if !stream.is_hung_up() && !stream.remote_gone {
                        encode(&mut self.outbox, frame::END, id, &[]);
                    }
                    break;
                }
            }
            // What a host said before it hung up still counts, as far as there is credit for it.
            if self.side == Side::Guest || !stream.is_hung_up() {
                break;
            }
        }
        self.settle(id);
    }

    /// Tells what was passed on. Forgets a stream that is over, and tells the other side if it cannot know.
    fn settle(&mut self, id: u32) {
        let side = self.side;
        let stream = match self.streams.get_mut(&id) {
            Some(stream) => stream,
            None => return,
        };
        if let Some(count) = stream.credit_to_tell() {
            encode(&mut self.outbox, frame::CREDIT, id, &count.to_be_bytes());
        }
        let flushed = stream.holds_nothing();
        let is_over = match side {
            _ if stream.remote_gone => flushed || stream.is_hung_up() || side == Side::Guest,
            // A host that hangs up wants no more, and its guest must hear of it at once.
            Side::Host if stream.is_hung_up() => true,
            _ if stream.is_hung_up() => stream.local_ended,
            _ => stream.local_ended && stream.remote_ended && flushed,
        };
        if !is_over {
            return;
        }
        let is_known = stream.remote_gone || (stream.local_ended && stream.remote_ended && !stream.is_hung_up());
        if !is_known {
            encode(&mut self.outbox, frame::CLOSE, id, &[]);
        }
        self.streams.remove(&id);
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.streams.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::stream::WINDOW;
    use crate::syscalls::poll;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    const NO_STREAM: fn() -> Option<OwnedFd> = || None;

    /// Both ends, and the agent's ends of the streams that were opened.
    struct Link {
        host: Engine,
        guest: Engine,
        opened: Vec<UnixStream>,
    }

    impl Link {
        fn new() -> Link {
            let mut link = Link { host: Engine::host([7; NONCE]), guest: Engine::guest(), opened: Vec::new() };
            link.run();
            assert!(link.host.may_open());
            link
        }

        fn open(&mut self) -> (UnixStream, UnixStream) {
            let (ours, theirs) = UnixStream::pair().unwrap();
            self.host.open(theirs.into());
            self.run();
            (ours, self.opened.pop().unwrap())
        }

        fn run(&mut self) {
            for _ in 0..200 {
                for side in [Side::Host, Side::Guest] {
                    let (from, to) = match side {
                        Side::Host => (&mut self.host, &mut self.guest),
                        Side::Guest => (&mut self.guest, &mut self.host),
                    };
                    let mut entries: Vec<pollfd> = from.poll_entries().collect();
                    poll(&mut entries, 0);
                    from.step(&entries);
                    let bytes = from.sendable().to_vec();
                    from.sent(bytes.len());
                    let opened = &mut self.opened;
                    let mut opener = || {
                        let (agent, mux) = UnixStream::pair().unwrap();
                        opened.push(agent);
                        Some(mux.into())
                    };
                    for piece in bytes.chunks(1000) {
                        to.receive(piece, &mut opener).unwrap();
                    }
                }
            }
        }
    }

    fn text_of(stream: &mut UnixStream, length: usize) -> String {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn streams_carry_bytes_both_ways_and_end() {
        let mut link = Link::new();
        let (mut client, mut agent) = link.open();
        client.write_all(b"ask").unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        link.run();
        let mut asked = String::new();
        agent.read_to_string(&mut asked).unwrap();
        assert_eq!(asked, "ask");
        agent.write_all(b"answer").unwrap();
        drop(agent);
        link.run();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "answer");
        assert_eq!((link.host.count(), link.guest.count()), (0, 0));
    }

    #[test]
    fn one_that_is_not_read_holds_up_no_other_and_loses_nothing() {
        let mut link = Link::new();
        let (mut slow, slow_agent) = link.open();
        slow_agent.set_nonblocking(true).unwrap();
        let piece = vec![b'x'; 64 * 1024];
        let mut written = 0;
        loop {
            match (&slow_agent).write(&piece) {
                Ok(count) => written += count,
                Err(_) => {
                    let before = written;
                    link.run();
                    match (&slow_agent).write(&piece) {
                        Ok(count) => written += count,
                        Err(_) if before == written => break,
                        Err(_) => {}
                    }
                }
            }
        }
        assert!(written > WINDOW && written < 8 * WINDOW);
        drop(slow_agent);
        link.run();

        let (mut quick, mut quick_agent) = link.open();
        quick_agent.write_all(b"past it").unwrap();
        link.run();
        assert_eq!(text_of(&mut quick, 7), "past it");

        slow.set_nonblocking(true).unwrap();
        let mut read = 0;
        let mut buffer = vec![0; 64 * 1024];
        for _ in 0..1000 {
            match slow.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(_) => link.run(),
            }
        }
        assert_eq!(read, written);
    }

    #[test]
    fn a_host_that_hangs_up_is_gone_for_the_agent_at_once() {
        let mut link = Link::new();
        let (client, mut agent) = link.open();
        (&client).write_all(b"last word").unwrap();
        drop(client);
        link.run();
        let mut heard = String::new();
        agent.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "last word");
        assert_eq!(link.guest.count(), 0);
    }

    #[test]
    fn a_hostile_guest_is_refused() {
        let data = |id, length| {
            let mut bytes = Vec::new();
            encode(&mut bytes, frame::DATA, id, &vec![0; length]);
            bytes
        };
        let with = |kind, id, payload: &[u8]| {
            let mut bytes = Vec::new();
            encode(&mut bytes, kind, id, payload);
            bytes
        };
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut link = Link::new();
        link.host.open(theirs.into());
        let id = link.host.last_id;
        let flood = data(id, LARGEST_PAYLOAD).repeat(60);
        let credit = with(frame::CREDIT, id, &u32::MAX.to_be_bytes());
        let after_end = [with(frame::END, id, &[]), data(id, 1)].concat();
        drop(link);
        for bytes in [flood, credit, after_end, with(frame::OPEN, 9, &[]), vec![0xff; 64]] {
            let (_ours, theirs) = UnixStream::pair().unwrap();
            let mut link = Link::new();
            link.host.open(theirs.into());
            assert!(link.host.receive(&bytes, &mut NO_STREAM.clone()).is_err());
        }
        drop(ours);
        // What is said of streams that are gone is not an offence: it may have been under way.
        let mut link = Link::new();
        assert!(link.host.receive(&data(77, 10), &mut NO_STREAM.clone()).is_ok());
    }

    #[test]
    fn a_greeting_is_found_behind_what_another_session_left() {
        let mut host = Engine::host([1; NONCE]);
        let mut left = Vec::new();
        encode(&mut left, frame::DATA, 3, &[5; 100]);
        host.receive(&left[50..], &mut NO_STREAM.clone()).unwrap();
        assert!(!host.is_welcome());
        let mut welcome = Vec::new();
        encode(&mut welcome, frame::WELCOME, 0, &[1; NONCE]);
        let (start, end) = welcome.split_at(11);
        host.receive(start, &mut NO_STREAM.clone()).unwrap();
        host.receive(end, &mut NO_STREAM.clone()).unwrap();
        assert!(host.is_welcome());

        let mut unanswered = Engine::host([1; NONCE]);
        let noise = vec![0; MOST_LEFTOVERS];
        assert!(unanswered.receive(&noise, &mut NO_STREAM.clone()).is_ok());
        assert!(unanswered.receive(&noise, &mut NO_STREAM.clone()).is_err());
    }

    #[test]
    fn a_guest_forgets_its_streams_when_it_is_greeted_again() {
        let mut link = Link::new();
        let (_client, mut agent) = link.open();
        link.host = Engine::host([9; NONCE]);
        link.run();
        assert!(link.host.is_welcome());
        assert_eq!(link.guest.count(), 0);
        assert_eq!(agent.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_sync_is_answered_when_all_before_it_has_been_taken() {
        let mut link = Link::new();
        let (mut client, mut agent) = link.open();
        client.write_all(b"before").unwrap();
        let mut entries: Vec<pollfd> = link.host.poll_entries().collect();
        poll(&mut entries, 0);
        link.host.step(&entries);
        link.host.sync([3; NONCE], false);
        assert!(link.host.is_syncing());
        link.run();
        assert!(!link.host.is_syncing());
        assert_eq!(text_of(&mut agent, 6), "before");
    }

    #[test]
    fn what_is_held_is_sent_after_go_by_both() {
        let mut link = Link::new();
        let (mut client, mut agent) = link.open();
        link.host.sync([3; NONCE], true);
        client.write_all(b"to the agent").unwrap();
        link.run();
        assert!(!link.host.is_syncing());
        agent.write_all(b"to the client").unwrap();
        link.run();
        agent.set_nonblocking(true).unwrap();
        client.set_nonblocking(true).unwrap();
        assert!(agent.read(&mut [0; 1]).is_err() && client.read(&mut [0; 1]).is_err());
        link.guest.forget_partial();
        link.host.release();
        link.run();
        agent.set_nonblocking(false).unwrap();
        client.set_nonblocking(false).unwrap();
        assert_eq!(text_of(&mut agent, 12), "to the agent");
        assert_eq!(text_of(&mut client, 13), "to the client");
    }

    #[test]
    fn a_guest_that_is_held_and_greeted_anew_is_held_no_more() {
        let mut link = Link::new();
        link.host.sync([3; NONCE], true);
        link.run();
        link.host = Engine::host([9; NONCE]);
        link.run();
        assert!(link.host.is_welcome());
    }
}
