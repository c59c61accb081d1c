"""A context of Python: takes pieces of code from the service, one after the other, and keeps what they define."""
import os
import signal
import sys
import traceback

from warren_display import Displays, cut
from warren_wire import CREATE, EXECUTE, RESULT, Frames, fields, frame, one, parse


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
            table = pandas.DataFrame({"a": ["x", "y", "x"], "b": [1, 2, 3]})
            repr(table.groupby("a")["b"].sum()), table.describe()
        eval(compile("1 + 1", "", "eval"))
    except Exception:
        pass


def draw():
    """A first picture looks for fonts and loads most of matplotlib: once, before the forks."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    try:
        if pyplot:
            import io

            figure, axes = pyplot.subplots()
            axes.plot([1, 2, 3], label="x")
            axes.legend()
            axes.set_title("warm")
            figure.savefig(io.BytesIO(), format="png", bbox_inches="tight")
            pyplot.close("all")
    except Exception:
        pass


def tell(error):
    """Without the frames of what runs the code."""
    try:
        inner = error.__traceback__
        while inner and not inner.tb_frame.f_code.co_filename.startswith("<cell "):
            inner = inner.tb_next
        told = "".join(traceback.format_exception(type(error), error, inner))
        return fields((1, "raised"), (3, cut(type(error).__name__)), (4, cut(str(error))), (5, cut(told)))
    except BaseException:
        return fields((1, "raised"), (3, "Exception"), (4, "an exception that cannot be shown"), (5, ""))


def run(shell, displays, asked, number):
    """The fields of RESULT."""
    before = {}
    for entry in asked.get(4, []):
        name, _, value = os.fsdecode(entry).partition("=")
        before[name] = os.environ.get(name)
        os.environ[name] = value
    displays.begin()
    interrupted = None
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        error = shell.run(one(asked, 2).decode("utf-8", "replace"), number)
        displays.install()
        displays.flush_figures()
    except KeyboardInterrupt as late:
        error = late
    except BaseException as other:
        error = other
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt as late:
        interrupted = late
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    displays.end()
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    error = error or interrupted
    return tell(error) if error else fields((1, "completed"))


def work(control, shell):
    """For ever, or until the service closes the connection."""
    sys.argv = [""]
    for fd, name in ((1, "stdout"), (2, "stderr")):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    reseed()
    displays = Displays(control)
    shell.attach(displays)
    displays.install()
    frames, number = Frames(), 0
    while True:
        data = control.recv(65536)
        if not data:
            os._exit(0)
        for kind, payload in frames.take(data):
            if kind == CREATE:
                os.chdir(os.fsdecode(payload))
            if kind != EXECUTE:
                continue
            number += 1
            if sys.stdin is None or sys.stdin.closed:
                sys.stdin = open(os.devnull)  # exit() closes it.
            result = run(shell, displays, parse(payload), number)
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except Exception:
                    pass
            control.sendall(frame(RESULT, result))
