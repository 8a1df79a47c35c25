"""Servers that somebody else wrote, each in a process of its own: nginx, httpbin, WsgiDAV."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
import trustme

FILE = bytes(range(256)) * 4000  # about a megabyte

# `return` where nginx has no such answer of its own: it closes on a slow request without a word,
# and takes a body of any framing.
NGINX = """
daemon off; master_process off; worker_processes 1; pid {here}/pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    access_log off; default_type application/octet-stream;
    client_body_temp_path {here}/body; proxy_temp_path {here}/proxy;
    fastcgi_temp_path {here}/fastcgi; uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
    add_header X-Connection $connection always;
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls_port} ssl http2;
        ssl_certificate {here}/cert.pem; ssl_certificate_key {here}/key.pem;
        root {here}/root;
        location = /408 {{ return 408 slow; }}
        location = /411 {{
            if ($http_transfer_encoding) {{ return 411; }} return 200 $content_length;
        }}
        location = /417 {{ if ($http_expect) {{ return 417; }} return 200 ok; }}
        location = /302 {{ return 302 /file; }}
        location = /505 {{ return 505; }}
        location = /small {{ client_max_body_size 1k; proxy_pass http://127.0.0.1:{port}/file; }}
        location = /slow {{ limit_rate 1m; alias {here}/root/file; }}
    }}
}}
"""
CHEROOT = """
import sys, threading
from cheroot.wsgi import Server
server = Server(("127.0.0.1", 0), application, numthreads=8)
server.prepare()
print(server.bind_addr[1], flush=True)
server.serve()
"""
HTTPBIN = "from httpbin import app as application"
WSGIDAV = """
from wsgidav.wsgidav_app import WsgiDAVApp
application = WsgiDAVApp({
    "provider_mapping": {"/": HERE}, "simple_dc": {"user_mapping": {"*": True}},
    "verbose": 0, "logging": {"enable": False}, "property_manager": True, "lock_storage": True,
})
"""


def there(what: str, found: object) -> None:
    """Skip the test where a server is not installed; in CI that is a failure."""
    if not found:
        assert "STATUSPOLICY_CI" not in os.environ, f"{what} is not installed"
        pytest.skip(f"{what} is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with the block."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


def answering(port: int, seconds: float = 10.0) -> None:
    """Wait until somebody listens."""
    end = time.monotonic() + seconds
    while True:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert time.monotonic() < end, f"nothing listens on port {port}"
        time.sleep(0.01)


@contextmanager
def nginx(here: Path, ca: trustme.CA) -> Iterator[tuple[str, str]]:
    """An nginx; its origins without TLS, and with TLS and HTTP/2."""
    program = shutil.which("nginx")
    there("nginx (apt-get install nginx-light)", program)
    assert program is not None
    (here / "root" / "folder").mkdir(parents=True)
    (here / "root" / "file").write_bytes(FILE)
    (here / "root" / "folder" / "index.html").write_bytes(b"an index")
    cert = ca.issue_cert("127.0.0.1")
    cert.private_key_pem.write_to_path(here / "key.pem")
    cert.cert_chain_pems[0].write_to_path(here / "cert.pem")
    port, tls_port = free_port(), free_port()
    config = here / "nginx.conf"
    config.write_text(NGINX.format(here=here, port=port, tls_port=tls_port))
    with running(program, "-c", str(config), "-p", str(here), "-e", "stderr"):
        answering(port)
        yield f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}"


@contextmanager
def wsgi(package: str, program: str) -> Iterator[str]:
    """A WSGI application, served by cheroot; its origin."""
    there(package, find_spec(package))
    there("cheroot", find_spec("cheroot"))
    with running(sys.executable, "-c", program + CHEROOT) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, f"{package} did not start"
        yield f"http://127.0.0.1:{port}"
