"""Frames and fields of docs/guest-protocol.md, on the side of the sandbox."""
import struct

CREATE, EXECUTE, LIST, REMOVE, INTERRUPT = 0x68, 0x69, 0x6A, 0x6B, 0x6C
RESULT, DISPLAY, RESTART, STORE = 0x6D, 0x6E, 0x6F, 0x67
OK, STARTED, STDOUT, STDERR, ENTRY, END, ERROR = 0x40, 0x41, 0x42, 0x43, 0x45, 0x46, 0x7F
MAX_FRAME = 1024 * 1024 + 64


def frame(kind, payload=b""):
    return struct.pack(">IB", len(payload) + 1, kind) + payload


def fields(*pairs):
    parts = []
    for tag, value in pairs:
        if value is None:
            continue
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
        parts.append(struct.pack(">BI", tag, len(data)) + data)
    return b"".join(parts)


def parse(payload):
    """The values of each tag, in their order."""
    found, at = {}, 0
    while at + 5 <= len(payload):
        tag, length = struct.unpack_from(">BI", payload, at)
        found.setdefault(tag, []).append(payload[at + 5 : at + 5 + length])
        at += 5 + length
    return found


def one(asked, tag, default=b""):
    return asked.get(tag, [default])[0]


def failure(code, sentence):
    return frame(ERROR, fields((1, code), (2, sentence)))


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self):
        self.held = bytearray()

    def take(self, data):
        self.held += data
        while len(self.held) >= 5:
            (length,) = struct.unpack_from(">I", self.held)
            if not 1 <= length <= MAX_FRAME:
                raise ValueError("frame of %d bytes" % length)
            if len(self.held) < 4 + length:
                return
            kind, payload = self.held[4], bytes(self.held[5 : 4 + length])
            del self.held[: 4 + length]
            yield kind, payload
