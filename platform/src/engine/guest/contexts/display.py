"""What a value looks like in all the ways it knows, packed for the way out of the sandbox."""
import base64
import datetime
import io
import json
import os
import sys
import threading

import warren_charts as charts
from warren_wire import DISPLAY, frame

DATA, CHART = "application/vnd.warren.data+json", "application/vnd.warren.chart+json"
MAX_TEXT = 128 * 1024
MAX_DISPLAY = 8 * 1024 * 1024
MAX_CELLS = 500000
PIECE = 256 * 1024
METHODS = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "image/jpeg": "_repr_jpeg_",
    "application/pdf": "_repr_pdf_",
    "text/latex": "_repr_latex_",
    "application/json": "_repr_json_",
    "application/javascript": "_repr_javascript_",
}


class Displays:
    """Sends what is shown while code runs. What comes at other times, or from another process, is dropped."""

    def __init__(self, control):
        self.control, self.owner, self.open = control, os.getpid(), False
        self.lock, self.figures = threading.Lock(), set()

    def begin(self):
        self.open, self.figures = True, set()

    def end(self):
        with self.lock:
            self.open = False

    def send(self, data, main=False):
        if os.getpid() != self.owner:
            return
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        packed = pack(data, main)
        with self.lock:
            if not self.open:
                return
            for at in range(0, len(packed), PIECE):
                more = at + PIECE < len(packed)
                self.control.sendall(frame(DISPLAY, (b"\1" if more else b"\0") + packed[at : at + PIECE]))

    def show(self, value, main=False):
        """Shows a value; a figure only once a piece of code."""
        if is_a(value, "matplotlib.figure", "Figure"):
            if id(value) in self.figures:
                return
            self.figures.add(id(value))
        self.send({**known(value), **rich(value)}, main)

    def flush_figures(self):
        """Shows the figures that are open and closes them, as notebooks do after each piece of code."""
        pyplot, helpers = sys.modules.get("matplotlib.pyplot"), sys.modules.get("matplotlib._pylab_helpers")
        if not pyplot or not helpers:
            return
        try:
            for manager in helpers.Gcf.get_all_fig_managers():
                if manager.canvas.figure.axes or manager.canvas.figure.texts:
                    self.show(manager.canvas.figure)
        finally:
            pyplot.close("all")

    def install(self):
        """Has the libraries that are there show their pictures here."""
        charts.install()
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot and not hasattr(pyplot.show, "warren"):

            def show(*_, **__):
                self.flush_figures()

            show.warren = True
            pyplot.show = show
            pyplot.Figure.show = lambda figure, *_, **__: self.show(figure)
        pictures = sys.modules.get("PIL.ImageShow")
        if pictures and not getattr(pictures, "warren", False):
            pictures.warren = True
            viewer = type("Viewer", (pictures.Viewer,), {"show": lambda _, image, **__: self.show(image) or True})
            pictures.register(viewer(), 0)
        images = sys.modules.get("PIL.Image")
        if images and not hasattr(images.Image.save, "warren"):
            kept = images.Image.save

            def save(image, to, *given, **options):
                done = kept(image, to, *given, **options)
                # What is shown is itself saved, to memory.
                if isinstance(to, (str, os.PathLike)):
                    self.show(image)
                return done

            save.warren = True
            images.Image.save = save


def is_a(value, module, name):
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def known(value):
    """What the value says of itself, by the methods that notebooks look for."""
    found = {"text/plain": text_of(value)}
    if isinstance(value, type):
        return found
    for mime, method in METHODS.items():
        try:
            shown = getattr(value, method, None)
            shown = shown() if callable(shown) else None
            shown = shown[0] if isinstance(shown, tuple) else shown
            if shown is not None:
                found[mime] = shown
        except Exception:
            pass
    try:
        bundle = getattr(value, "_repr_mimebundle_", None)
        bundle = bundle() if callable(bundle) else None
        bundle = bundle[0] if isinstance(bundle, tuple) else bundle
        if isinstance(bundle, dict):
            found.update(bundle)
    except Exception:
        pass
    return found


def text_of(value):
    try:
        return repr(value)
    except Exception as error:
        return "<%s whose repr raised %s>" % (type(value).__name__, type(error).__name__)


def rich(value):
    """What we know to say of values of some libraries."""
    found = {}
    try:
        if is_a(value, "matplotlib.figure", "Figure"):
            picture = io.BytesIO()
            value.savefig(picture, format="png", bbox_inches="tight")
            found["image/png"] = picture.getvalue()
            shown = charts.chart(value)
            if shown:
                found[CHART] = shown
        elif is_a(value, "pandas.core.frame", "DataFrame"):
            if value.size <= MAX_CELLS:
                found[DATA] = {str(name): list(value.iloc[:, at]) for at, name in enumerate(value.columns)}
        elif isinstance(value, (dict, list)):
            found["application/json"] = value
    except Exception:
        pass
    return found


def pack(data, main):
    """JSON in ASCII. What makes it too large is left out, the largest first, and the text says so."""
    parts, written = {}, {}
    for mime, value in data.items():
        try:
            if mime == "text/plain":
                value = cut(str(value))
            part = json.dumps(clean(value), allow_nan=False)
            # As a text, so that who reads it can tell 1.0 from 1 if he cares.
            if mime in (DATA, CHART, "application/json"):
                written[mime] = part = json.dumps(part)
            parts[str(mime)] = part
        except Exception:
            pass
    left_out = []
    while sum(map(len, parts.values())) > MAX_DISPLAY:
        largest = max(parts, key=lambda mime: len(parts[mime]))
        left_out.append("%s of %d bytes" % (largest, len(parts.pop(largest))))
    if left_out:
        text = json.loads(parts.get("text/plain", '""'))
        parts["text/plain"] = json.dumps("%s\n(left out, for a result is %d bytes at most: %s)" % (text, MAX_DISPLAY, ", ".join(left_out)))

    def members(as_text):
        return ",".join("%s:%s" % (json.dumps(mime), part) for mime, part in parts.items() if (mime in written) == as_text)

    body = '{"main":%s,"data":{%s},"written":{%s}}' % ("true" if main else "false", members(False), members(True))
    return body.encode("ascii")


def clean(value, depth=0):
    """As JSON has it: no NaN, no keys but texts, nothing that contains itself."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if value == value and value not in (float("inf"), float("-inf")) else None
    if depth > 50:
        return text_of(value)
    if isinstance(value, dict):
        return {str(key): clean(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(inner, depth + 1) for inner in value]
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return None if value != value else value.isoformat()
    if hasattr(value, "tolist"):
        return clean(value.tolist(), depth + 1)
    return None if is_missing(value) else cut(text_of(value) if not hasattr(value, "__str__") else str(value))


def is_missing(value):
    return type(value).__name__ in ("NaTType", "NAType")


def cut(text):
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
