"""How Python code is run: by IPython's machinery where the sandbox has it, else by what the language brings."""
import ast
import asyncio
import builtins
import contextlib
import inspect
import linecache
import os
import sys
import textwrap
import types
import warnings


def new_shell(folder):
    try:
        return IPythonShell(folder)
    except Exception:
        return PlainShell()


def cell_name(number):
    return "<cell %d>" % number


class Loop:
    """The event loop of a context: what a piece of code leaves running goes on with the next that waits."""

    def __init__(self):
        self.loop = None

    def run(self, coroutine):
        if self.loop is None:
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
        task = self.loop.create_task(coroutine)
        try:
            return self.loop.run_until_complete(task)
        except KeyboardInterrupt:
            task.cancel()
            with contextlib.suppress(BaseException):
                self.loop.run_until_complete(asyncio.wait([task], timeout=1))
            raise


class PlainShell:
    """Without IPython: expressions, definitions, `await`; no magics."""

    def __init__(self):
        self.loop, self.displays = Loop(), None

    def attach(self, displays):
        self.displays = displays
        main = type(sys)("__main__")
        main.__dict__["__builtins__"] = builtins
        sys.modules["__main__"] = main
        self.space = main.__dict__
        builtins.display = lambda *values, **_: [displays.show(value) for value in values] and None

    def run(self, source, number):
        """The exception that ended it, or None."""
        try:
            name = cell_name(number)
            source = textwrap.dedent(source)
            linecache.cache[name] = (len(source), None, source.splitlines(True), name)
            try:
                tree = ast.parse(source, name)
            except SyntaxError:
                tree = ast.parse(source.strip(), name)
            last = None
            if tree.body and isinstance(tree.body[-1], ast.Expr):
                last = ast.Expression(tree.body.pop().value)
            self.evaluate(compile(tree, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))
            if last is not None:
                value = self.evaluate(compile(last, name, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT))
                if value is not None:
                    self.space["_"] = value
                    self.displays.show(value, main=True)
        except BaseException as error:
            return error

    def evaluate(self, code):
        value = eval(code, self.space)
        return self.loop.run(value) if code.co_flags & inspect.CO_COROUTINE else value


class IPythonShell:
    """One piece of code at a time through IPython: magics, `!command`, `await`, `display`, the last expression."""

    def __init__(self, folder):
        # Its profile would be written into the home of the user.
        os.environ["IPYTHONDIR"] = os.path.join(folder, "ipython")
        warnings.filterwarnings("ignore", message="To exit: use")
        # Its terminal and its completion are a quarter of it, and nobody sits there.
        left_out = {"jedi": None, "IPython.terminal.embed": types.ModuleType("IPython.terminal.embed")}
        left_out["IPython.terminal.embed"].embed = None
        sys.modules.update(left_out)
        from IPython.core.displayhook import DisplayHook
        from IPython.core.displaypub import DisplayPublisher
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets import Type
        from traitlets.config import Config

        holder = self

        class Hook(DisplayHook):
            def __call__(self, result=None):
                self.check_for_underscore()
                if result is None or self.quiet():
                    return
                holder.show(result, main=True)
                self.update_user_ns(result)
                self.fill_exec_result(result)

        class Publisher(DisplayPublisher):
            def publish(self, data, *_, **__):
                holder.displays.send(data)

            def clear_output(self, *_, **__):
                pass

        class Shell(InteractiveShell):
            displayhook_class = Type(Hook)
            display_pub_class = Type(Publisher)

            def enable_gui(self, *_, **__):
                pass

            def enable_matplotlib(self, *_, **__):
                return "inline", "agg"

            def showtraceback(self, *_, **__):
                pass

            def showsyntaxerror(self, *_, **__):
                pass

            def init_sys_modules(self):
                super().init_sys_modules()
                self.user_module.__dict__["__builtins__"] = builtins

            def system(self, command):
                sys.stdout.flush()
                self.system_raw(command)

        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        config.InteractiveShell.autoindent = False
        for name in left_out:
            del sys.modules[name]
        self.displays, self.loop = None, Loop()
        self.shell = Shell.instance(config=config)
        os.environ.pop("IPYTHONDIR")
        self.shell.system = self.shell.__class__.system.__get__(self.shell)
        self.shell.loop_runner = self.loop.run
        self.shell.compile.get_code_name = lambda raw, transformed, number: cell_name(number)
        self.shell.set_custom_exc((), None)
        format_value = self.shell.display_formatter.format

        def rich_format(value, *args, **more):
            from warren_display import rich

            data, metadata = format_value(value, *args, **more)
            return {**data, **rich(value)}, metadata

        self.shell.display_formatter.format = rich_format
        self.warm()

    def warm(self):
        """What is loaded with the first piece of code is loaded before the forks."""
        self.displays = type("Nowhere", (), {"show": lambda *_, **__: None, "send": lambda *_, **__: None})()
        self.shell.run_cell("import asyncio as _warm\n1 + 1", store_history=False)
        self.shell.run_cell("await _warm.sleep(0)", store_history=False)
        if self.loop.loop:
            self.loop.loop.close()
            asyncio.set_event_loop(None)
        self.loop.loop = None
        self.shell.user_ns.pop("_warm", None)
        self.shell.reset(new_session=False)
        # Those of the language end a piece of code, these would wish to end IPython.
        for name in ("exit", "quit"):
            self.shell.builtin_trap.auto_builtins.pop(name, None)
            for space in (self.shell.user_ns, self.shell.user_ns_hidden):
                space.pop(name, None)

    def attach(self, displays):
        self.displays = displays
        builtins.display = lambda *values, **more: __import__("IPython.display").display.display(*values, **more)

    def show(self, value, main=False):
        from warren_display import is_a, text_of

        if is_a(value, "matplotlib.figure", "Figure"):
            return self.displays.show(value, main)
        data, _ = self.shell.display_formatter.format(value)
        if not data:
            data = {"text/plain": text_of(value)} if not hasattr(value, "_ipython_display_") else {}
        if data:
            self.displays.send(data, main)

    def run(self, source, number):
        """The exception that ended it, or None."""
        self.shell.execution_count = number
        outcome = self.shell.run_cell(source, store_history=True)
        return outcome.error_before_exec or outcome.error_in_exec
