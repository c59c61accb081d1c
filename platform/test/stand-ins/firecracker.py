# A stand-in for Firecracker, for machines whose processor runs no guests: takes the same command line and serves the same API,
# as far as Warren uses it, and runs the machine by QEMU's emulation. It takes what the published description allows and not a
# field more, and each request only in the state in which Firecracker does. `DESCRIPTION` is put in front by whoever makes a
# program of this (firecracker.ts beside it).
#
# What differs from Firecracker: the guest has no vsock but a serial line, which stands behind the socket of the vsock; its
# devices are on PCI; there is no KVM. When it is saved, all connections to the guest are over, as there.
import argparse, ctypes, http.server, json, os, re, signal, socket, socketserver, struct, subprocess, sys, threading, time

AGENT_PORT = 1024
CHUNK = 1 << 20


class Refused(Exception):
    pass


def check(schema, value, where):
    """Raises Refused unless the value is what the schema says, no field more."""
    if "$ref" in schema:
        return check(DESCRIPTION["definitions"][schema["$ref"].split("/")[-1]], value, where)
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    kind = kinds[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Refused(f"{where} is no {schema['type']}")
    if "enum" in schema and value not in schema["enum"]:
        raise Refused(f"{where} is none of the allowed values {schema['enum']}")
    if kind is int and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        raise Refused(f"{where} is out of range")
    if kind is list:
        for item in value:
            check(schema["items"], item, where)
    if kind is dict:
        properties = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                raise Refused(f"{where} lacks {name}")
        for name, member in value.items():
            if name not in properties:
                raise Refused(f"{where} has an unknown field {name}")
            check(properties[name], member, f"{where}.{name}")


def describe(method, path):
    """The operation that the description has for a request."""
    for pattern, operations in DESCRIPTION["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path) and method.lower() in operations:
            return operations[method.lower()]
    raise Refused(f"there is no request {method} {path}")


def memory_file(name):
    return os.memfd_create(name, 0)


def copy_data(source, target):
    """What is no hole. Both are as long afterwards."""
    size = os.fstat(source).st_size
    os.ftruncate(target, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError:
            return
        end = os.lseek(source, at, os.SEEK_HOLE)
        while at < end:
            piece = os.pread(source, min(CHUNK, end - at), at)
            os.pwrite(target, piece, at)
            at += len(piece)


class Emulator:
    """QEMU with the devices that were asked for."""

    def __init__(self, machine, vsock, memory, state=None):
        self.line, line_end = socket.socketpair()
        self.control, control_end = socket.socketpair()
        config = machine["machine-config"]
        source = machine["boot-source"]
        arguments = source["boot_args"].replace("WARREN_LINE=vsock ", "no_timer_check ")
        command = [
            "qemu-system-x86_64", "-name", "stand-in", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-M", "q35,usb=off,sata=off,smbus=off,graphics=off,suppress-vmdesc=on,memory-backend=memory",
            "-object", f"memory-backend-file,id=memory,size={config['mem_size_mib']}M,mem-path=/proc/self/fd/{memory},share=on",
            "-accel", "tcg,tb-size=64", "-cpu", "max", "-smp", str(config["vcpu_count"]), "-m", str(config["mem_size_mib"]),
            "-kernel", source["kernel_image_path"], "-initrd", source["initrd_path"], "-append", arguments,
            "-chardev", f"socket,id=control,fd={control_end.fileno()}", "-mon", "chardev=control,mode=control",
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-device", "virtio-serial-pci", "-chardev", f"socket,id=line,fd={line_end.fileno()}",
            "-device", "virtserialport,chardev=line,name=agent",
        ]
        for drive in machine["drives"].values():
            read_only = ",read-only=on" if drive["is_read_only"] else ""
            file = f"driver=file,node-name={drive['drive_id']}-file,filename={drive['path_on_host']},locking=off{read_only}"
            raw = f"driver=raw,node-name={drive['drive_id']},file={drive['drive_id']}-file{read_only}"
            command += ["-blockdev", file, "-blockdev", raw, "-device", f"virtio-blk-pci,drive={drive['drive_id']}"]
        for net in machine["network-interfaces"].values():
            command += ["-netdev", f"tap,id=net,ifname={net['host_dev_name']},script=no,downscript=no"]
            command += ["-device", f"virtio-net-pci,netdev=net,mac={net['guest_mac']},romfile="]
        if "entropy" in machine:
            command += ["-device", "virtio-rng-pci"]
        inherited = [memory, line_end.fileno(), control_end.fileno()] + [fd for fd in range(10, 40) if is_open(fd)]
        if state is not None:
            command += ["-global", "migration.send-configuration=off", "-incoming", "defer"]
            inherited.append(state)
        self.memory = memory
        self.process = subprocess.Popen(command, pass_fds=inherited, preexec_fn=end_with_parent)
        line_end.close()
        control_end.close()
        self.answers = self.control.makefile("r")
        self.answers.readline()
        self.ask("qmp_capabilities")
        if state is not None:
            self.ask("migrate-incoming", uri=f"fd:{state}")
            while self.ask("query-status")["status"] == "inmigrate":
                time.sleep(0.001)
        threading.Thread(target=self.end_together, daemon=True).start()
        self.bridge = Bridge(vsock["uds_path"], self.line)

    def end_together(self):
        os._exit(self.process.wait() & 0x7F)

    def ask(self, command, **arguments):
        self.control.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = json.loads(self.answers.readline())
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise Refused(answer["error"]["desc"])

    def save(self, config, params):
        state = memory_file("state")
        self.ask("xen-save-devices-state", filename=f"/proc/{os.getpid()}/fd/{state}", live=False)
        head = json.dumps(config).encode()
        os.lseek(state, 0, os.SEEK_SET)
        with open(params["snapshot_path"], "wb") as file, os.fdopen(state, "rb") as saved:
            file.write(struct.pack(">Q", len(head)) + head + saved.read())
        ram = os.open(params["mem_file_path"], os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        copy_data(self.memory, ram)
        os.close(ram)
        self.bridge.cut()


def is_open(fd):
    try:
        os.fstat(fd)
        return True
    except OSError:
        return False


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Bridge:
    """The socket of the vsock: whoever connects names a port and is handed on to the guest's line."""

    def __init__(self, path, line):
        self.line = line
        self.client = None
        self.changed = threading.Condition()
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen(8)
        threading.Thread(target=self.accept, daemon=True).start()
        threading.Thread(target=self.hand_out, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.server.accept()
            threading.Thread(target=self.hand_in, args=(client,), daemon=True).start()

    def hand_in(self, client):
        line = b""
        while not line.endswith(b"\n"):
            byte = client.recv(1)
            if not byte or len(line) > 32:
                return client.close()
            line += byte
        if line != f"CONNECT {AGENT_PORT}\n".encode():
            return client.close()
        client.sendall(b"OK 1073741824\n")
        self.replace(client)
        while data := receive(client):
            self.line.sendall(data)
        with self.changed:
            if self.client is client:
                self.client = None

    def hand_out(self):
        pending = b""
        while True:
            pending = pending or self.line.recv(CHUNK)
            with self.changed:
                self.changed.wait_for(lambda: self.client is not None)
                client = self.client
            try:
                pending = pending[client.send(pending) :]
            except OSError:
                with self.changed:
                    if self.client is client:
                        self.client = None

    def replace(self, client):
        with self.changed:
            old, self.client = self.client, client
            self.changed.notify_all()
        if old is not None:
            old.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.replace(None)


def receive(client):
    try:
        return client.recv(CHUNK)
    except OSError:
        return b""


class Machine:
    def __init__(self):
        self.state = "Not started"
        self.config = {"drives": {}, "network-interfaces": {}}
        self.emulator = None

    def obey(self, method, path, body):
        if (method, path) == ("GET", "/"):
            return {"app_name": "Firecracker", "id": "anonymous-instance", "state": self.state, "vmm_version": "1.17.0-stand-in"}
        if path == "/actions":
            return self.act(body["action_type"])
        if path == "/vm":
            return self.change(body["state"])
        if path == "/snapshot/create":
            if self.state != "Paused":
                raise Refused("a snapshot needs a paused microVM")
            return self.emulator.save(self.config, body)
        if self.state != "Not started":
            raise Refused("the requested operation is not supported after starting the microVM")
        if path == "/snapshot/load":
            return self.load(body)
        kind, _, name = path[1:].partition("/")
        if name:
            if name not in body.values():
                raise Refused("the id in the path is not that of the body")
            self.config[kind][name] = body
        else:
            self.config[kind] = body

    def act(self, action):
        if action != "InstanceStart" or self.state != "Not started":
            raise Refused(f"{action} is not possible now")
        if "boot-source" not in self.config:
            raise Refused("cannot start microvm without kernel configuration")
        with open(self.config["boot-source"]["kernel_image_path"], "rb") as kernel:
            if kernel.read(4) != b"\x7fELF":
                raise Refused("the kernel image is no ELF image")
        memory = memory_file("memory")
        os.ftruncate(memory, self.config["machine-config"]["mem_size_mib"] << 20)
        self.emulator = Emulator(self.config, self.config["vsock"], memory)
        self.state = "Running"

    def change(self, wanted):
        if wanted == "Paused" and self.state == "Running":
            self.emulator.ask("stop")
            self.state = "Paused"
        elif wanted == "Resumed" and self.state == "Paused":
            self.emulator.ask("cont")
            self.state = "Running"
        else:
            raise Refused(f"{wanted} is not possible in the state {self.state}")

    def load(self, params):
        if self.config != {"drives": {}, "network-interfaces": {}}:
            raise Refused("loading a microVM snapshot is only allowed on a fresh one")
        with open(params["snapshot_path"], "rb") as file:
            saved = file.read()
        (length,) = struct.unpack(">Q", saved[:8])
        try:
            self.config = json.loads(saved[8 : 8 + length])
        except ValueError:
            raise Refused("the snapshot's state is damaged")
        state = memory_file("state")
        os.write(state, saved[8 + length :])
        os.lseek(state, 0, os.SEEK_SET)
        memory = memory_file("memory")
        source = os.open(params["mem_backend"]["backend_path"], os.O_RDONLY)
        copy_data(source, memory)
        os.close(source)
        self.emulator = Emulator(self.config, self.config["vsock"], memory, state)
        self.state = "Paused"
        if params.get("resume_vm"):
            self.change("Resumed")


class Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        text = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            operation = describe(self.command, self.path)
            body = json.loads(text) if text else None
            for parameter in operation.get("parameters", []):
                check(parameter["schema"], body, parameter["name"])
            said = self.server.machine.obey(self.command, self.path, body)
        except (Refused, ValueError, OSError, struct.error, KeyError) as error:
            return self.say(400, {"fault_message": str(error)})
        self.say(204 if said is None else 200, said)

    def say(self, status, said):
        self.send_response(status)
        text = b"" if said is None else json.dumps(said, separators=(",", ":")).encode()
        if text:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_PATCH = answer


parser = argparse.ArgumentParser(prog="firecracker")
parser.add_argument("--api-sock")
parser.add_argument("--level")
parser.add_argument("--version", action="version", version="Firecracker v1.17.0-stand-in")
options = parser.parse_args()
server = socketserver.UnixStreamServer(options.api_sock, Door)
server.machine = Machine()
server.serve_forever()
