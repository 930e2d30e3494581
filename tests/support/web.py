"""A web server on this machine that answers each request as planned, well or badly."""

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True)
class Answer:
    """What one request gets; then the connection is closed."""

    status: int = 200
    """0: not even a status line."""
    body: bytes = b""
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Beside Content-Length, which may be given another value, or None to be left out."""
    stalls: bool = False
    """Nothing more is sent, and the connection stays open."""
    pieces: int = 1
    """The body comes in so many, with a pause before each but the first."""
    pause: float = 0.0


class WebServer(ThreadingHTTPServer):
    """Gives each request the next of the answers; a context in which it runs."""

    def __init__(self, *answers: Answer | Callable[[str], Answer], certificate: Path | None = None) -> None:
        """An answer may be computed: from the address of this server."""
        super().__init__(("127.0.0.1", 0), _Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_port}/reviews.tar.gz"
        self.answers: list[Answer | Callable[[str], Answer]] = list(answers)
        self.requests: list[Mapping[str, str]] = []
        self.ended = threading.Event()

    @property
    def ranges(self) -> Sequence[str | None]:
        """The piece that each request asked for."""
        return [headers.get("Range") for headers in self.requests]

    def __enter__(self) -> "WebServer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that goes away is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    server: WebServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append(dict(self.headers))
        planned = self.server.answers.pop(0)
        answer = planned if isinstance(planned, Answer) else planned(self.server.url)
        if answer.status:
            self.send_response(answer.status)
            headers = {"Content-Length": str(len(answer.body)), "Connection": "close", **answer.headers}
            for name, value in headers.items():
                if value is not None:
                    self.send_header(name, value)
            self.end_headers()
        size = -(-len(answer.body) // answer.pieces) or 1
        for start in range(0, len(answer.body), size):
            if start:
                time.sleep(answer.pause)
            self.wfile.write(answer.body[start : start + size])
        if answer.stalls:
            self.server.ended.wait()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""


def make_certificate(path: Path) -> Path:
    """Write a certificate for 127.0.0.1 that nobody vouches for, with its key, to a PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + certificate.public_bytes(pem))
    return path
