"""The private names of h11, the parser of HTTP/1.1, that are used, all of them."""

from __future__ import annotations

from functools import cache

from statuspolicy.wire.supported import Name, require

_SWITCHED = "_SWITCH_UPGRADE"


def is_parser_error(error: BaseException) -> bool:
    """Whether an error is the parser's, which couldn't read what came."""
    return type(error).__module__.partition(".")[0] == "h11"


def says_switched(error: str) -> bool:
    """Whether the parser met a 101 that nobody asked for; its error names a state of its own."""
    return _SWITCHED in error


def names() -> tuple[Name, ...]:
    """Each private name that is used, and how it is found."""
    use = "a 101 that nobody asked for"
    return (
        Name(
            f"{_SWITCHED} in the error of such a 101", use, lambda: says_switched(str(_of_a_101()))
        ),
        Name("errors of its own module", use, lambda: is_parser_error(_of_a_101())),
    )


def _of_a_101() -> Exception:
    import h11  # here, so that a program whose transports speak no HTTP never loads it

    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "a.example")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    try:
        parser.next_event()
    except h11.RemoteProtocolError as error:
        return error.with_traceback(None)  # its frames lead to who makes the first transport
    raise AssertionError("a 101 that nobody asked for is an error")


@cache
def check() -> None:
    """Raise UnsupportedVersion where a name is missing. It looks once in a process."""
    require("h11", names())
