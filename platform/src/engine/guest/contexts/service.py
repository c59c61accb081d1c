"""The service behind contexts: an interpreter with the usual libraries loaded, forked for each context of Python.

Runs inside a sandbox, as its user, started on demand. Speaks the frames of docs/guest-protocol.md over a unix socket, which
the platform reaches by DIAL. It never runs anybody's code itself: that is what the forks are for, and the programs that it
starts for other languages, each in a session of its own. Needs Python 3.8, nothing else.
"""
import gc
import importlib
import os
import selectors
import signal
import socket
import time

from warren_context import Context
from warren_interpreters import PROGRAMS, Interpreter, find_program, start_program
from warren_python import draw, touch, work
from warren_shell import new_shell
from warren_wire import (
    CREATE,
    END,
    ENTRY,
    EXECUTE,
    INTERRUPT,
    LIST,
    OK,
    REMOVE,
    RESTART,
    STDERR,
    STDOUT,
    STORE,
    Frames,
    failure,
    fields,
    frame,
    one,
    parse,
)

SPARE_AFTER = 0.1
MAX_STORED = 16 * 1024 * 1024


class Forked(BaseException):
    """Raised in a fork: it leaves everything of the service behind, with the connection it takes its work from."""

    def __init__(self, service, control, ahead):
        super().__init__()
        self.ahead = ahead
        # Kept, for objects that are forgotten would close descriptors by numbers that are another's by then.
        self.service, self.control = service, control


class Peer:
    """A connection of the platform: one request, then its answers."""

    def __init__(self, service, sock):
        self.service, self.sock = service, sock
        self.frames, self.unsent = Frames(), bytearray()
        # What runs for it, what it waits for.
        self.context, self.awaited = None, None
        self.closing, self.gone = False, False
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
        for context in (self.context, self.awaited):
            if context:
                context.left(self)
        self.context = self.awaited = None


class Service:
    def __init__(self, path):
        self.selector, self.contexts, self.interpreters = selectors.DefaultSelector(), {}, {}
        # A fork for the next context, made while nobody waits.
        self.spare, self.spare_at = None, time.monotonic()
        self.folder = os.path.dirname(path)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        if os.lstat(self.folder).st_uid != os.getuid():
            raise SystemExit("%s belongs to somebody else" % self.folder)
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
                    if context.interpreter:
                        context.interpreter.kill()
            if self.spare_at is not None and self.spare_at <= now:
                self.spare_at = None
                try:
                    self.spare = self.spare or self.fork(ahead=True)
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
            interpreter = self.interpreters.pop(pid, None)
            if interpreter is None:
                continue
            if self.spare is interpreter:
                self.spare = None
            context = interpreter.context
            interpreter.ended()
            if context:
                if not context.keep:
                    self.forget(context)
                context.died(status)

    def forget(self, context):
        self.contexts.pop(context.name, None)
        context.close()

    def request(self, peer, kind, asked):
        name = one(asked, 1).decode("ascii", "replace")
        context = self.contexts.get(name)
        if kind == CREATE:
            self.create(peer, name, asked)
        elif kind == STORE:
            self.store(peer, name, one(asked, 2), one(asked, 3))
        elif kind == LIST:
            for found in list(self.contexts.values()):
                pid = found.interpreter.pid if found.interpreter else 0
                row = ((1, found.name), (2, pid), (3, int(found.started * 1000)), (4, int(found.busy)), (5, os.fsencode(found.cwd)))
                peer.send(frame(ENTRY, fields(*row, (6, found.language))))
            peer.send(frame(END), last=True)
        elif kind == INTERRUPT:
            if peer.context:
                peer.context.interrupt()
        elif context is None:
            peer.send(failure("not_found", "there is no context %s" % name), last=True)
        elif kind == REMOVE:
            self.forget(context)
            context.restart()
            peer.send(frame(OK), last=True)
        elif kind == RESTART:
            context.restart()
            peer.send(frame(OK), last=True)
        elif kind == EXECUTE:
            if not context.busy:
                context.execute(peer, one(asked, 2), asked.get(4, []))
            elif one(asked, 3) == b"1":
                context.wait(peer, one(asked, 2), asked.get(4, []))
            else:
                peer.send(failure("exists", "the context runs something already: one execution at a time"), last=True)
        else:
            peer.send(failure("unsupported", "unknown request"), last=True)

    def create(self, peer, name, asked):
        cwd = one(asked, 2).decode("utf-8", "surrogateescape")
        language = one(asked, 3, b"python").decode("ascii", "replace")
        program = one(asked, 5).decode("ascii", "replace")
        if name in self.contexts:
            return peer.send(failure("exists", "there is a context %s" % name), last=True)
        home = os.path.expanduser("~")
        cwd = os.path.join(home, cwd) if cwd else home
        if one(asked, 6) == b"1":
            cwd = cwd if made(cwd) else home
        if not os.path.isdir(cwd):
            return peer.send(failure("not_found", "there is no folder %s" % cwd), last=True)
        if not os.access(cwd, os.X_OK):
            return peer.send(failure("permission_denied", "the user of contexts may not enter %s" % cwd), last=True)
        if language != "python":
            if language not in PROGRAMS:
                return peer.send(failure("unsupported", "no language %s is known" % language), last=True)
            if not find_program(language):
                sentence = "there is no %s in this sandbox, so nothing runs %s: its template lacks it"
                return peer.send(failure("unavailable", sentence % (PROGRAMS[language][0], language)), last=True)
            if not os.path.isfile(program):
                return peer.send(failure("program", "%s is not stored here" % program), last=True)
        context = Context(self, name, language, cwd, program, one(asked, 4) == b"1")
        try:
            context.begin(self.interpreter(language, program, cwd))
        except OSError as error:
            return peer.send(failure("limit", "no process for another context: %s" % error), last=True)
        self.contexts[name] = context
        return peer.send(frame(OK, fields((1, context.interpreter.pid), (2, os.fsencode(cwd)))), last=True)

    def store(self, peer, path, data, state):
        """Keeps a program of the platform: pieces in their order, the last of them marked."""
        folder, name = os.path.split(path)
        if os.path.dirname(folder) != self.folder or ".." in path:
            return peer.send(failure("invalid", "nothing is stored at %s" % path), last=True)
        part = "%s/.%s.part" % (folder, name)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_TRUNC if state == b"first" else os.O_APPEND)
            fd = os.open(part, flags, 0o600)
            try:
                if os.fstat(fd).st_size + len(data) > MAX_STORED:
                    raise OSError("too large")
                while data:
                    data = data[os.write(fd, data) :]
            finally:
                os.close(fd)
            if state == b"last":
                os.rename(part, path)
        except OSError as error:
            return peer.send(failure("no_space", "%s cannot be stored: %s" % (path, error)), last=True)
        return peer.send(frame(OK), last=state == b"last")

    def interpreter(self, language, program, cwd):
        """A process that is ready for code, or will be soon. Raises OSError."""
        if language != "python":
            return self.fork(language=language, program=program, cwd=cwd)
        found = self.spare or self.fork(ahead=False)
        # Not at once: what was asked for next is waiting.
        self.spare, self.spare_at = None, time.monotonic() + SPARE_AFTER
        found.tell(frame(CREATE, os.fsencode(cwd)))
        return found

    def fork(self, ahead=False, language="python", program=None, cwd=None):
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
            if language != "python":
                try:
                    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
                    start_program(language, program, cwd, theirs)
                except OSError as error:
                    os.write(2, ("%s\n" % error).encode())
                finally:
                    os._exit(127)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            others = set(self.selector.get_map()) | {self.selector.fileno(), self.wake, *fds}
            others |= {fd for i in self.interpreters.values() for fd in (i.control.fileno(), *i.outputs)}
            for fd in others - {theirs}:
                if fd > 2:
                    os.close(fd)
            raise Forked(self, socket.socket(fileno=theirs), ahead)
        for fd in (out_end, err_end, theirs):
            os.close(fd)
        made = Interpreter(self, pid, socket.socket(fileno=ours), {out: STDOUT, err: STDERR}, language)
        self.interpreters[pid] = made
        return made


def made(folder):
    """Whether it is there, at the latest now, and may be entered."""
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        pass
    return os.path.isdir(folder) and os.access(folder, os.X_OK)


def start(path, preload):
    for name in preload:
        try:
            importlib.import_module(name)
        except Exception:
            pass
    service = Service(path)
    shell = new_shell(service.folder)
    draw()
    touch()
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
    work(forked.control, shell)
