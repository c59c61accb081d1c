"""A context: an interpreter with a name, what it runs now, and who waits for it."""
import os
import signal
import time
import struct

from warren_wire import DISPLAY, RESULT, STARTED, failure, fields, frame

# Above this much unsent output a context is not read any further: a slow reader slows the program.
MAX_UNSENT = 256 * 1024
MAX_WAITING = 64
PATIENCE = 2.0


class Context:
    def __init__(self, service, name, language, cwd, program, keep):
        self.service, self.name, self.language, self.cwd, self.program = service, name, language, cwd, program
        # Whether one that dies is followed by another under the same name, as soon as it is wanted.
        self.keep, self.started = keep, time.time()
        self.interpreter, self.peer, self.waiting = None, None, []
        self.busy, self.count, self.offsets, self.kill_at = False, 0, {}, None

    def begin(self, interpreter):
        self.interpreter, self.count = interpreter, 0
        interpreter.context = self

    def listen(self):
        """Reads the output while somebody has asked for something and takes what there is."""
        if self.interpreter:
            room = self.peer is None or len(self.peer.unsent) < MAX_UNSENT
            self.interpreter.listen(self.peer is not None and room, room)

    def wait(self, peer, code, env):
        if len(self.waiting) >= MAX_WAITING:
            return peer.send(failure("limit", "%d executions wait for the context already" % MAX_WAITING), last=True)
        peer.awaited = self
        self.waiting.append((peer, code, env))
        peer.send(frame(STARTED, fields((1, 0))))

    def execute(self, peer, code, env):
        if self.interpreter is None:
            try:
                self.begin(self.service.interpreter(self.language, self.program, self.cwd))
            except OSError as error:
                return peer.send(failure("limit", "no process for the context: %s" % error), last=True)
        self.peer, self.busy, self.offsets, peer.context = peer, True, {}, self
        self.count += 1
        peer.send(frame(STARTED, fields((1, self.count))))
        self.interpreter.execute(code, env)
        self.listen()

    def printed(self, kind, data):
        offset = self.offsets.get(kind, 0)
        self.offsets[kind] = offset + len(data)
        if self.peer:
            self.peer.send(frame(kind, struct.pack(">Q", offset) + data))

    def told(self, kind, payload):
        if not self.busy or kind not in (RESULT, DISPLAY):
            raise ValueError("out of turn")
        if kind == DISPLAY:
            self.interpreter.drain(16)
            if self.peer:
                self.peer.send(frame(DISPLAY, payload))
        else:
            self.finish(payload)

    def finish(self, result):
        if self.interpreter:
            self.interpreter.drain(64)
        peer, self.peer, self.busy, self.kill_at = self.peer, None, False, None
        self.listen()
        if peer:
            peer.context = None
            peer.send(frame(RESULT, result), last=True)
        self.next()

    def next(self):
        while self.waiting and not self.busy:
            peer, code, env = self.waiting.pop(0)
            peer.awaited = None
            self.execute(peer, code, env)

    def left(self, peer):
        """Nobody waits for that any more."""
        if peer is self.peer:
            self.peer = None
            self.listen()
            self.interrupt()
        self.waiting = [item for item in self.waiting if item[0] is not peer]

    def interrupt(self):
        if self.busy and self.kill_at is None and self.interpreter:
            self.kill_at = time.monotonic() + PATIENCE
            self.interpreter.signal(signal.SIGINT)

    def died(self, status):
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        self.interpreter = None
        if self.busy:
            self.finish(fields((1, "died"), (6, code), (7, number)))

    def restart(self):
        """A new interpreter; what the old one runs is over."""
        old, self.interpreter = self.interpreter, None
        if old:
            old.context = None
            old.kill()
        if self.busy:
            self.finish(fields((1, "died"), (7, int(signal.SIGKILL))))

    def close(self):
        for peer, _, _ in self.waiting:
            peer.awaited = None
            peer.send(failure("not_found", "there is no context %s any more" % self.name), last=True)
        self.waiting = []
