"""The processes that run code, as the service sees them: how each language's is started and spoken to."""
import os
import selectors
import shutil
import signal

from warren_wire import EXECUTE, RESULT, STDERR, STDOUT, Frames, fields, frame

# What is started, and what the sandbox must have for it; Python's are forks. {} is the program that the platform has stored.
PROGRAMS = {
    "javascript": ("node", ["--no-warnings", "--input-type=module", "--eval", "await (await import('{}')).serve((s) => import(s))"]),
    "bash": ("bash", ["--norc", "--noprofile", "{}"]),
}
PROGRAMS["typescript"] = PROGRAMS["javascript"]
PROGRAMS["r"] = ("Rscript", ["--vanilla", "{}"])
# It is known by the shell, which a Java that can only run programs lacks; the classes of its archive load faster.
PROGRAMS["java"] = ("jshell", ["-XX:+UseSerialGC", "-Xshare:auto", "--add-modules", "jdk.jshell", "{}"])
BESIDE = {"java": "java"}
TEXTS = ("bash",)


def find_program(language):
    """The full path of what runs a language, or None."""
    found = shutil.which(PROGRAMS[language][0])
    if not found or language not in BESIDE:
        return found
    return os.path.join(os.path.dirname(os.path.realpath(found)), BESIDE[language])


def start_program(language, program, cwd, control):
    """In the child: becomes the interpreter. Its connection is file 3, and file 0 for those that open no others."""
    path = find_program(language)
    os.dup2(control, 3)
    os.set_inheritable(3, True)
    if language in BESIDE:
        os.dup2(control, 0)
    os.chdir(cwd)
    os.environ["WARREN_LANGUAGE"] = language
    os.execv(path, [path] + [argument.replace("{}", program) for argument in PROGRAMS[language][1]])


class Texts:
    """For interpreters that can read no frames: texts that end with a zero byte, both ways."""

    def __init__(self):
        self.held = b""

    def take(self, data):
        self.held += data
        if len(self.held) > 4 * 1024 * 1024:
            raise ValueError("too much")
        while self.held.count(b"\0") >= 5:
            *parts, self.held = self.held.split(b"\0", 5)
            yield RESULT, fields(*((tag, part) for tag, part in enumerate(parts, 1) if part))


class Interpreter:
    """One process in a session of its own, its output two pipes, its work told over a connection."""

    def __init__(self, service, pid, control, outputs, language):
        self.service, self.pid, self.control, self.outputs, self.language = service, pid, control, outputs, language
        # The context it works for; None for one that is kept ready, or that has been given up.
        self.context = None
        self.frames = Texts() if language in TEXTS else Frames()
        self.listening = True
        control.setblocking(False)
        for fd in outputs:
            os.set_blocking(fd, False)
        self.listen(False)

    def listen(self, read_output, read_control=True):
        """Without a reader, or while it is behind, the pipes fill up and the program waits."""
        for fd, kind in self.outputs.items():
            on = selectors.EVENT_READ if read_output else 0
            self.service.watch(fd, on, lambda _, fd=fd, kind=kind: self.read(fd, kind))
        if self.listening:
            self.service.watch(self.control.fileno(), selectors.EVENT_READ if read_control else 0, self.answered)

    def read(self, fd, kind):
        """False when nothing more is to be had now."""
        try:
            data = os.read(fd, 65536)
        except (BlockingIOError, OSError):
            return False
        if not data:
            self.service.watch(fd, 0, None)
            return False
        if self.context:
            self.context.printed(kind, data)
        return True

    def drain(self, most):
        """Reads what is there; not without end, for a program in the background may go on writing."""
        for fd, kind in self.outputs.items():
            for _ in range(most):
                if not self.read(fd, kind):
                    break

    def execute(self, code, env):
        if isinstance(self.frames, Frames):
            return self.tell(frame(EXECUTE, fields((2, code), *((4, entry) for entry in env))))
        texts = [b"%d" % len(env), *env, code.replace(b"\0", b"")]
        return self.tell(b"".join(text + b"\0" for text in texts))

    def tell(self, data):
        self.control.setblocking(True)
        try:
            self.control.settimeout(10)
            self.control.sendall(data)
        except OSError:
            self.kill()  # It is dead, or does not listen.
        self.control.setblocking(False)

    def answered(self, _):
        try:
            data = self.control.recv(65536)
            for kind, payload in self.frames.take(data):
                if not self.context:
                    raise ValueError("out of turn")
                self.context.told(kind, payload)
            if not data:
                self.listening = False
                self.service.watch(self.control.fileno(), 0, None)
        except BlockingIOError:
            pass
        except (OSError, ValueError):
            # Its program has meddled with the connection to us.
            self.kill()

    def signal(self, number):
        try:
            os.killpg(self.pid, number)
        except OSError:
            pass

    def kill(self):
        self.signal(signal.SIGKILL)

    def ended(self):
        """After the process: what it has printed last is read, then everything is closed."""
        self.signal(signal.SIGKILL)
        self.drain(64)
        for fd in self.outputs:
            self.service.watch(fd, 0, None)
            os.close(fd)
        self.listening = False
        self.service.watch(self.control.fileno(), 0, None)
        self.control.close()
