"""The service behind contexts: an interpreter with the usual libraries loaded, forked for each context.

Runs inside a sandbox, as its user, started on demand. Speaks the frames of docs/guest-protocol.md over a unix socket, which
the platform reaches by DIAL. It never runs anybody's code itself: that is what the forks are for, each in a session of its
own, its output a pipe that is read here. Needs Python 3.8, nothing else.
"""
import ast
import gc
import importlib
import linecache
import os
import selectors
import signal
import socket
import struct
import sys
import time
import traceback

CREATE, EXECUTE, LIST, REMOVE, INTERRUPT = 0x68, 0x69, 0x6A, 0x6B, 0x6C
OK, STDOUT, STDERR, ENTRY, END, RESULT, ERROR = 0x40, 0x42, 0x43, 0x45, 0x46, 0x6D, 0x7F
MAX_FRAME = 1024 * 1024 + 64
# Above this much unsent output a context is not read any further: a slow reader slows the program.
MAX_UNSENT = 256 * 1024
MAX_TEXT = 128 * 1024
PATIENCE = 2.0
SPARE_AFTER = 0.1


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
    found, at = {}, 0
    while at + 5 <= len(payload):
        tag, length = struct.unpack_from(">BI", payload, at)
        found[tag] = payload[at + 5 : at + 5 + length]
        at += 5 + length
    return found


def failure(code, sentence):
    return frame(ERROR, fields((1, code), (2, sentence)))


class Forked(BaseException):
    """Raised in a fork: it leaves everything of the service behind, with the connection it takes its work from."""

    def __init__(self, service, control, ahead):
        super().__init__()
        self.ahead = ahead
        # Kept, for objects that are forgotten would close descriptors by numbers that are another's by then.
        self.service, self.control = service, control


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


class Peer:
    """A connection of the platform: one request, then its answers."""

    def __init__(self, service, sock):
        self.service, self.sock = service, sock
        self.frames, self.unsent = Frames(), bytearray()
        self.context, self.closing, self.gone = None, False, False
        sock.setblocking(False)
        service.watch(sock.fileno(), selectors.EVENT_READ, self.ready)

    def ready(self, events):
        if events & selectors.EVENT_READ:
            try:
                data = self.sock.recv(65536)
                if not data:
                    return self.close()
                for kind, payload in self.frames.take(data):
                    self.service.request(self, kind, parse(payload))
            except BlockingIOError:
                pass
            except (OSError, ValueError):
                return self.close()
        self.flush()

    def send(self, data, last=False):
        self.unsent += data
        self.closing = self.closing or last
        self.flush()

    def flush(self):
        if self.gone:
            return
        try:
            while self.unsent:
                del self.unsent[: self.sock.send(self.unsent)]
        except BlockingIOError:
            pass
        except OSError:
            return self.close()
        if self.closing and not self.unsent:
            return self.close()
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self.service.watch(self.sock.fileno(), both if self.unsent else selectors.EVENT_READ, self.ready)
        if self.context:
            self.context.listen()

    def close(self):
        if self.gone:
            return
        self.gone = True
        self.service.watch(self.sock.fileno(), 0, None)
        self.sock.close()
        if self.context:
            # Nobody waits for it any more.
            context, self.context = self.context, None
            context.peer = None
            context.listen()
            context.interrupt()


class Context:
    """One fork, as the service sees it."""

    def __init__(self, service, pid, control, outputs):
        self.service, self.pid, self.control, self.outputs = service, pid, control, outputs
        self.name = self.cwd = self.started = None
        self.peer, self.busy, self.offsets, self.kill_at = None, False, {}, None
        self.frames = Frames()
        control.setblocking(False)
        service.watch(control.fileno(), selectors.EVENT_READ, self.answered)
        for fd in outputs:
            os.set_blocking(fd, False)

    def listen(self):
        """Reads the output while somebody has asked for something and takes what there is."""
        wanted = self.peer is not None and len(self.peer.unsent) < MAX_UNSENT
        for fd, kind in self.outputs.items():
            on = selectors.EVENT_READ if wanted else 0
            self.service.watch(fd, on, lambda _, fd=fd, kind=kind: self.read(fd, kind))

    def read(self, fd, kind):
        """False when nothing more is to be had now."""
        try:
            data = os.read(fd, 65536)
        except (BlockingIOError, OSError):
            return False
        if not data:
            self.service.watch(fd, 0, None)
            return False
        peer = self.peer
        if peer:
            offset = self.offsets.get(kind, 0)
            self.offsets[kind] = offset + len(data)
            peer.send(frame(kind, struct.pack(">Q", offset) + data))
        return True

    def begin(self, name, cwd):
        self.name, self.cwd, self.started = name, cwd, time.time()
        self.tell(CREATE, os.fsencode(cwd))

    def execute(self, peer, code):
        self.peer, self.busy, self.offsets = peer, True, {}
        peer.context = self
        self.tell(EXECUTE, code)
        self.listen()

    def tell(self, kind, payload):
        self.control.setblocking(True)
        try:
            self.control.sendall(frame(kind, payload))
        except OSError:
            pass  # It is dead, and the loop is about to hear of it.
        self.control.setblocking(False)

    def answered(self, _):
        try:
            data = self.control.recv(65536)
            for kind, payload in self.frames.take(data):
                if kind != RESULT or not self.busy:
                    raise ValueError("out of turn")
                self.finish(payload)
            if not data:
                self.service.watch(self.control.fileno(), 0, None)
        except BlockingIOError:
            pass
        except (OSError, ValueError):
            # Its program has meddled with the connection to us.
            self.kill()

    def finish(self, result):
        for fd, kind in self.outputs.items():
            # Not without end: what a program in the background goes on writing belongs to the next execution.
            for _ in range(64):
                if not self.read(fd, kind):
                    break
        peer, self.peer, self.busy, self.kill_at = self.peer, None, False, None
        self.listen()
        if peer:
            peer.context = None
            peer.send(frame(RESULT, result), last=True)

    def interrupt(self):
        if self.busy and self.kill_at is None:
            self.kill_at = time.monotonic() + PATIENCE
            self.signal(signal.SIGINT)

    def signal(self, number):
        try:
            os.killpg(self.pid, number)
        except OSError:
            pass

    def kill(self):
        self.signal(signal.SIGKILL)

    def ended(self, status):
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        self.kill()  # What it started and left behind.
        if self.busy:
            self.finish(fields((1, "died"), (6, code), (7, number)))
        for fd in [self.control.fileno(), *self.outputs]:
            self.service.watch(fd, 0, None)
        self.control.close()
        for fd in self.outputs:
            os.close(fd)


class Service:
    def __init__(self, path):
        self.selector, self.contexts = selectors.DefaultSelector(), {}
        # A fork for the next context, made while nobody waits.
        self.spare, self.spare_at = None, time.monotonic()
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if os.lstat(folder).st_uid != os.getuid():
            raise SystemExit("%s belongs to somebody else" % folder)
        if os.path.lexists(path):
            os.unlink(path)
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(path)
        self.door.listen(64)
        self.door.setblocking(False)
        self.watch(self.door.fileno(), selectors.EVENT_READ, self.accept)
        self.woken, wake = os.pipe()
        for fd in (self.woken, wake):
            os.set_blocking(fd, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.wake = wake
        self.watch(self.woken, selectors.EVENT_READ, self.reap)

    def watch(self, fd, events, callback):
        known = fd in self.selector.get_map()
        if not events:
            if known:
                self.selector.unregister(fd)
        elif known:
            if self.selector.get_key(fd).events != events:
                self.selector.modify(fd, events, callback)
        else:
            self.selector.register(fd, events, callback)

    def serve(self):
        """For ever; a fork leaves it by the exception Forked."""
        while True:
            due = [c.kill_at for c in self.contexts.values() if c.kill_at is not None]
            due += [] if self.spare_at is None else [self.spare_at]
            timeout = max(0, min(due) - time.monotonic()) if due else None
            for key, events in self.selector.select(timeout):
                if key.fd in self.selector.get_map():
                    key.data(events)
            now = time.monotonic()
            for context in list(self.contexts.values()):
                if context.kill_at is not None and context.kill_at <= now:
                    context.kill_at = None
                    context.kill()
            if self.spare_at is not None and self.spare_at <= now:
                self.spare_at = None
                try:
                    self.spare = self.fork(ahead=True)
                except OSError:
                    pass  # The next context is told why.

    def accept(self, _):
        try:
            Peer(self, self.door.accept()[0])
        except OSError:
            pass

    def reap(self, _):
        try:
            while os.read(self.woken, 4096):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self.spare and self.spare.pid == pid:
                spare, self.spare = self.spare, None
                spare.ended(status)
            for name, context in list(self.contexts.items()):
                if context.pid == pid:
                    del self.contexts[name]
                    context.ended(status)

    def request(self, peer, kind, asked):
        name = asked.get(1, b"").decode("ascii", "replace")
        context = self.contexts.get(name)
        if kind == CREATE:
            self.create(peer, name, asked.get(2, b"").decode("utf-8", "surrogateescape"))
        elif kind == LIST:
            for found in list(self.contexts.values()):
                row = ((1, found.name), (2, found.pid), (3, int(found.started * 1000)), (4, int(found.busy)), (5, os.fsencode(found.cwd)))
                peer.send(frame(ENTRY, fields(*row)))
            peer.send(frame(END), last=True)
        elif kind == INTERRUPT:
            if peer.context:
                peer.context.interrupt()
        elif context is None:
            peer.send(failure("not_found", "there is no context %s" % name), last=True)
        elif kind == REMOVE:
            context.kill()
            peer.send(frame(OK), last=True)
        elif kind == EXECUTE:
            if context.busy:
                peer.send(failure("exists", "the context runs something already: one execution at a time"), last=True)
            else:
                context.execute(peer, asked.get(2, b""))
        else:
            peer.send(failure("unsupported", "unknown request"), last=True)

    def create(self, peer, name, cwd):
        if name in self.contexts:
            return peer.send(failure("exists", "there is a context %s" % name), last=True)
        cwd = os.path.join(os.path.expanduser("~"), cwd) if cwd else os.path.expanduser("~")
        if not os.path.isdir(cwd):
            return peer.send(failure("not_found", "there is no folder %s" % cwd), last=True)
        try:
            context = self.spare or self.fork(ahead=False)
        except OSError as error:
            return peer.send(failure("limit", "no process for another context: %s" % error), last=True)
        # Not at once: what was asked for next is waiting.
        self.spare, self.spare_at = None, time.monotonic() + SPARE_AFTER
        self.contexts[name] = context
        context.begin(name, cwd)
        return peer.send(frame(OK, fields((1, context.pid), (2, os.fsencode(cwd)))), last=True)

    def fork(self, ahead):
        fds = list(os.pipe())
        try:
            fds += os.pipe()
            ours, theirs = socket.socketpair()
            fds += [ours.detach(), theirs.detach()]
            pid = os.fork()
        except OSError:
            for fd in fds:
                os.close(fd)
            raise
        out, out_end, err, err_end, ours, theirs = fds
        if pid == 0:
            os.setsid()
            os.dup2(out_end, 1)
            os.dup2(err_end, 2)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            others = set(self.selector.get_map()) | {self.selector.fileno(), self.wake, *fds}
            everyone = [*self.contexts.values()] + ([self.spare] if self.spare else [])
            others |= {fd for c in everyone for fd in (c.control.fileno(), *c.outputs)}
            for fd in others - {theirs}:
                os.close(fd)
            raise Forked(self, socket.socket(fileno=theirs), ahead)
        for fd in (out_end, err_end, theirs):
            os.close(fd)
        return Context(self, pid, socket.socket(fileno=ours), {out: STDOUT, err: STDERR})


def reseed():
    """What a fork would share with its brothers."""
    random = sys.modules.get("random")
    if random:
        random.seed()
    numpy = sys.modules.get("numpy")
    if numpy:
        numpy.random.seed()


def touch():
    """Uses what nearly every piece of code uses, so that its pages are there before somebody waits for them."""
    pandas = sys.modules.get("pandas")
    try:
        if pandas:
            frame = pandas.DataFrame({"a": ["x", "y", "x"], "b": [1, 2, 3]})
            repr(frame.groupby("a")["b"].sum()), frame.describe()
        eval(compile(ast.parse("1 + 1", mode="eval"), "", "eval"))
    except Exception:
        pass


def cut(text):
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"


def run(code, number, space):
    """The fields of RESULT: how it went, and what the last expression was worth."""
    name = "<cell %d>" % number
    try:
        source = code.decode("utf-8")
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        tree = ast.parse(source, name)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = ast.Expression(tree.body.pop().value)
        exec(compile(tree, name, "exec"), space)
        if last is None:
            return fields((1, "completed"))
        value = eval(compile(last, name, "eval"), space)
        if value is None:
            return fields((1, "completed"))
        space["_"] = value
        return fields((1, "completed"), (2, cut(repr(value))))
    except BaseException as error:
        try:
            # Without the frames of this file.
            inner = error.__traceback__ and error.__traceback__.tb_next
            told = "".join(traceback.format_exception(type(error), error, inner))
            return fields((1, "raised"), (3, cut(type(error).__name__)), (4, cut(str(error))), (5, cut(told)))
        except BaseException:
            return fields((1, "raised"), (3, "Exception"), (4, "an exception that cannot be shown"), (5, ""))


def work(control):
    """A context: takes pieces of code, one after the other, and keeps what they define."""
    main = type(sys)("__main__")
    main.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    sys.argv = [""]
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    reseed()
    frames, number = Frames(), 0
    while True:
        data = control.recv(65536)
        if not data:
            os._exit(0)
        for kind, code in frames.take(data):
            if kind == CREATE:
                os.chdir(os.fsdecode(code))
                continue
            number += 1
            if sys.stdin is None or sys.stdin.closed:
                sys.stdin = open(os.devnull)  # exit() closes it.
            try:
                signal.signal(signal.SIGINT, signal.default_int_handler)
                result = run(code, number, main.__dict__)
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            except KeyboardInterrupt:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                result = fields((1, "raised"), (3, "KeyboardInterrupt"), (4, ""), (5, "KeyboardInterrupt\n"))
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except Exception:
                    pass
            control.sendall(frame(RESULT, result))


def start(path, preload):
    for name in preload:
        try:
            importlib.import_module(name)
        except Exception:
            pass
    touch()
    service = Service(path)
    gc.collect()
    # So that collecting garbage in a fork does not write to what it shares.
    gc.freeze()
    print("ready", flush=True)
    try:
        service.serve()
    except Forked as fork:
        forked = fork
    forked.__traceback__ = None
    if forked.ahead:
        touch()
    work(forked.control)


start(sys.argv[1], sys.argv[2:])
