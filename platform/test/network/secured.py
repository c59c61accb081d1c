"""Speaks TLS for one name to one address, says what its third argument has in base64, and prints all that comes back."""

import base64
import socket
import ssl
import sys

address, name, said = sys.argv[1:4]
context = ssl.create_default_context()
if "unchecked" in sys.argv:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
answer = b""
try:
    with context.wrap_socket(socket.create_connection((address, 443), 10), server_hostname=name) as connection:
        connection.settimeout(10)
        connection.sendall(base64.b64decode(said))
        while chunk := connection.recv(65536):
            answer += chunk
except OSError as error:
    answer += f"\n[{type(error).__name__}: {error}]".encode()
sys.stdout.buffer.write(answer)
