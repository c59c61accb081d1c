"""What a Python program does with E2B's client, both kinds of it. Prints the name of each step that went well."""

import asyncio
import os
import sys

from e2b import AsyncSandbox, CommandExitException, NotFoundException, PtySize, Sandbox, TimeoutException


def step(name, ok=True):
    assert ok, name
    print(name, flush=True)


def raised(kind, work):
    try:
        work()
    except kind as error:
        return str(error) or kind.__name__
    raise AssertionError(f"{kind.__name__} was not raised")


def sync():
    sandbox = Sandbox.create(envs={"FROM": "sandbox"}, metadata={"suite": "python"})
    info = sandbox.get_info()
    step("create", sandbox.is_running() and info.metadata == {"suite": "python"} and info.template_id == "base")
    heard = []
    result = sandbox.commands.run("echo $FROM $ONE; pwd; printf err >&2", envs={"ONE": "1"}, cwd="/tmp", on_stdout=heard.append)
    step("run", (result.stdout, result.stderr, result.exit_code) == ("sandbox 1\n/tmp\n", "err", 0) and heard)
    step("exit", "exit" in raised(CommandExitException, lambda: sandbox.commands.run("exit 3")).lower())
    step("timeout", raised(TimeoutException, lambda: sandbox.commands.run("sleep 30", timeout=1)))
    handle = sandbox.commands.run("cat", background=True, stdin=True)
    sandbox.commands.send_stdin(handle.pid, "typed\n")
    for out, _, _ in handle:
        step("stdin", out == "typed\n")
        break
    step("list", any(process.pid == handle.pid for process in sandbox.commands.list()))
    step("kill", sandbox.commands.kill(handle.pid) and not sandbox.commands.kill(999999))

    sandbox.files.make_dir("seen")
    watch = sandbox.files.watch_dir("seen")
    sandbox.files.write("seen/new.txt", "content")
    events = watch.get_new_events()
    step("watch", [event.type.value for event in events] == ["create", "chmod", "write"])
    watch.stop()
    entries = sandbox.files.list("seen")
    step("files", sandbox.files.read("seen/new.txt") == "content" and [entry.name for entry in entries] == ["new.txt"])
    step("make_dir", sandbox.files.make_dir("seen") is False and sandbox.files.exists("seen"))
    step("rename", sandbox.files.rename("seen/new.txt", "a/b").path == "/home/user/a/b")
    step("boot_id", len(sandbox.files.read("/proc/sys/kernel/random/boot_id").strip()) == 36)
    step("missing", "does not exist" in raised(NotFoundException, lambda: sandbox.files.read("none")))
    sandbox.set_timeout(600)
    page = Sandbox.list(limit=100)
    step("list sandboxes", sandbox.sandbox_id in [one.sandbox_id for one in page.next_items()] and not page.has_next)
    step("connect", Sandbox.connect(sandbox.sandbox_id).commands.run("echo same").stdout == "same\n")
    step("metrics", sandbox.get_metrics()[0].mem_total == 512 * 1024 * 1024)
    boot = sandbox.files.read("/proc/sys/kernel/random/boot_id")
    slept = sandbox.commands.run("sleep 3600", background=True)
    sandbox.files.write("kept", "kept")
    sandbox.pause()
    step("pause", not sandbox.is_running() and sandbox.get_info().state.value == "paused")
    again = sandbox.connect(timeout=300)
    same = sandbox.files.read("/proc/sys/kernel/random/boot_id") == boot
    step("resume", again.sandbox_id == sandbox.sandbox_id and same and slept.pid in [one.pid for one in sandbox.commands.list()])
    sandbox.pause(keep_memory=False)
    sandbox.connect(timeout=300)
    same = sandbox.files.read("/proc/sys/kernel/random/boot_id") == boot
    step("resume with files alone", sandbox.files.read("kept") == "kept" and not same and not sandbox.commands.list())
    snapshot = sandbox.create_snapshot()
    copy = Sandbox.create(snapshot.snapshot_id)
    step("snapshot", copy.files.read("kept") == "kept" and copy.kill())
    step("delete snapshot", Sandbox.delete_snapshot(snapshot.snapshot_id) and not Sandbox.delete_snapshot(snapshot.snapshot_id))
    step("end", sandbox.kill() and not sandbox.is_running() and not sandbox.kill())


async def asynchronous():
    sandbox = await AsyncSandbox.create(timeout=120)
    step("async run", (await sandbox.commands.run("echo x")).stdout == "x\n")
    seen = []
    await sandbox.files.make_dir("w")
    watch = await sandbox.files.watch_dir("w", on_event=lambda event: seen.append(event.type.value))
    await sandbox.files.write("w/f", b"bytes")
    for _ in range(100):
        if len(seen) >= 3:
            break
        await asyncio.sleep(0.05)
    step("async watch", seen[:3] == ["create", "chmod", "write"])
    await watch.stop()
    screen = []
    terminal = await sandbox.pty.create(size=PtySize(24, 80), on_data=lambda data: screen.append(bytes(data)))
    await sandbox.pty.send_stdin(terminal.pid, b"echo $((6*7)); exit\n")
    await terminal.wait()
    step("async pty", b"42" in b"".join(screen))
    step("async end", await sandbox.kill())


sync()
asyncio.run(asynchronous())
sys.stdout.flush()
# The HTTP library of some releases crashes now and then when the interpreter ends in the usual way.
os._exit(0)
