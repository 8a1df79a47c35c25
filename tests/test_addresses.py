"""Which addresses are public, however they are written and whatever a name resolves to."""

import socket

import anyio
import pytest

from statuspolicy.client.public_addresses import is_public, public_addresses_only
from statuspolicy.wire.context import PINS
from tests.each import each
from tests.library import httpx

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.0",
    "100.100.100.200",  # Alibaba's metadata
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # Azure's wire server
    "169.254.169.254",  # the metadata of AWS, Azure, Google, Oracle, OpenStack
    "169.254.170.2",  # ECS
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.192",  # Oracle's metadata
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::8.8.8.8",  # IPv4-compatible, deprecated
    "::ffff:0:8.8.8.8",  # IPv4-translated (RFC 2765), which no registry has
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:168.63.129.16",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",  # NAT64 of a network's own (RFC 8215)
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",  # Teredo
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo that carries 127.0.0.1
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",  # 6to4 that carries 127.0.0.1
    "2002:a9fe:a9fe::",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",  # AWS's metadata
    "fd20:ce::254",  # Google's metadata
    "fe80::1",
    "fe80::1%1",
    "fe80::a9fe:a9fe",  # OpenStack's metadata
    "fec0::1",
    "ff02::1",
]
KINDS = ("sync", "asyncio", "trio")
FIRST = httpx.Request("GET", "https://first.example/")


def asked(url: str) -> httpx.Request:
    return httpx.Request("GET", url)


def allowed(kind: str, next_request: httpx.Request, request: httpx.Request = FIRST) -> bool:
    if kind == "sync":
        return public_addresses_only(request, next_request)
    return anyio.run(public_addresses_only.in_async, request, next_request, backend=kind)


@pytest.fixture
def names(monkeypatch):
    """What names resolve to, in place of the network's answers; literals resolve as ever."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host, *_, flags=0, **__):
        name = host.decode() if isinstance(host, bytes) else host
        if flags and name in known:  # trio asks whether it is an address
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        return [
            entry
            for address in known.get(name, [name])  # any other name raises here
            for entry in real(address, None, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@each("address", PUBLIC)
def test_what_is_public_is_allowed(address):
    assert is_public(address)


@each("address", NOT_PUBLIC)
def test_what_is_not_public_is_refused(address):
    assert not is_public(address)


def test_what_is_no_address_is_neither():
    with pytest.raises(ValueError):
        is_public("first.example")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("host", "fine"),
    [
        ("8.8.8.8", True),
        ("[2606:4700::1111]", True),
        ("[2606:4700:0::1111]:8443", True),
        ("[::FFFF:8.8.8.8]", True),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("[::1]", False),
        ("[::ffff:7f00:1]", False),
        ("[fd00:ec2::254]", False),
    ],
)
def test_an_address_in_the_url_is_judged_as_it_stands(host, fine, kind, names):
    assert allowed(kind, asked(f"http://{host}/")) is fine


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "134744072",  # 8.8.8.8, but not to everyone
        "0x7f000001",
        "0x7f.1",
        "0X8.0x8.0x8.0x8",
        "0177.1",
        "010.8.2056",
        "127.1",
        "8.8.8.8.",
        "127.0.0.1.",
        "8.8.2056",
        "1.2.3.4.5",
        "example.0x",
        "[fe80::1%251]",
        "[2606:4700::1111%251]",
    ],
)
def test_an_address_in_an_odd_spelling_is_refused_wherever_it_leads(host, kind, names):
    names[httpx.URL(f"http://{host}/").raw_host.decode()] = ["8.8.8.8"]
    assert not allowed(kind, asked(f"http://{host}/"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("addresses", "fine"),
    [
        (["8.8.8.8"], True),
        (["2606:4700::1111", "1.1.1.1"], True),
        (["10.0.0.1"], False),
        (["8.8.8.8", "127.0.0.1"], False),
        (["127.0.0.1", "8.8.8.8"], False),
        (["8.8.8.8", "::1"], False),
        (["fe80::1"], False),
        ([], False),
    ],
)
def test_a_name_is_allowed_where_every_address_of_it_is_public(addresses, fine, kind, names):
    names["next.example"] = addresses
    assert allowed(kind, asked("https://next.example/")) is fine


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["nowhere.example", "a..b", "x" * 64 + ".example", "%31"])
def test_a_name_without_an_address_is_refused(host, kind, names):
    assert not allowed(kind, asked(f"http://{host}/"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_url_without_a_host_is_refused(kind, names):
    assert not allowed(kind, asked("/relative"))


def test_the_address_family_that_python_was_built_without_is_refused(monkeypatch):
    """Its socket addresses are (family, bytes)."""
    entry = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (10, b"..."))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [entry])
    assert not public_addresses_only(FIRST, asked("http://next.example/"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_addresses_that_were_checked_are_noted_once_each_and_in_order(kind, names):
    names["next.example"] = ["2606:4700::1111", "8.8.8.8", "1.1.1.1", "8.8.8.8"]
    next_request = asked("https://next.example:8443/path")
    assert allowed(kind, next_request)
    checked = ("2606:4700::1111", "8.8.8.8", "1.1.1.1")
    assert next_request.extensions[PINS] == {"next.example": checked}


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://BÜCHER.example/", "xn--bcher-kva.example"), ("https://Next.example./", None)],
)
def test_checked_addresses_are_noted_for_the_host_as_the_url_has_it(url, host, names):
    host = host or "next.example."
    names[host] = ["8.8.8.8"]
    next_request = asked(url)
    assert public_addresses_only(FIRST, next_request)
    assert next_request.extensions[PINS] == {host: ("8.8.8.8",)}


def test_what_was_checked_before_gives_way(names):
    names["next.example"] = ["8.8.8.8"]
    next_request = asked("https://next.example/")
    next_request.extensions = {"timeout": {}, PINS: {"before.example": ("1.1.1.1",)}}
    assert public_addresses_only(FIRST, next_request)
    assert next_request.extensions == {"timeout": {}, PINS: {"next.example": ("8.8.8.8",)}}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_noted_for_what_is_refused(kind, names):
    names["next.example"] = ["8.8.8.8", "10.0.0.1"]
    next_request = asked("https://next.example/")
    assert not allowed(kind, next_request)
    assert PINS not in next_request.extensions


def test_the_request_before_it_stays_as_it_is_even_where_both_share_their_extensions(names):
    names["next.example"] = ["8.8.8.8"]
    request, next_request = asked("https://first.example/"), asked("https://next.example/")
    next_request.extensions = request.extensions
    assert public_addresses_only(request, next_request)
    assert PINS not in request.extensions


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("address", "fine"), [("8.8.8.8", True), ("127.0.0.1", False)])
def test_a_first_request_can_be_asked_about_and_is_not_changed(address, fine, kind, names):
    names["first.example"] = [address]
    request = asked("https://first.example/")
    assert allowed(kind, request, request) is fine
    assert PINS not in request.extensions


def test_it_is_called_by_its_name():
    assert repr(public_addresses_only) == "public_addresses_only"
