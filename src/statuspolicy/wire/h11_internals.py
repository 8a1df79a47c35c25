"""All private names of h11, the parser of HTTP/1.1, that this package uses."""

from __future__ import annotations

from functools import cache

from statuspolicy.wire.supported import Name, require

_SWITCHED = "_SWITCH_UPGRADE"


def is_parser_error(error: BaseException) -> bool:
    """Whether the parser raised an error because it couldn't parse the bytes from the server."""
    return type(error).__module__.partition(".")[0] == "h11"


def says_switched(error: str) -> bool:
    """Whether an error of the parser is about a 101 that was not requested: it names that state."""
    return _SWITCHED in error


def names() -> tuple[Name, ...]:
    """Each private name that this package uses, with a check that it exists."""
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
        # Without the frames, which would keep alive the caller that made the first transport.
        return error.with_traceback(None)
    raise AssertionError("a 101 that nobody asked for is an error")


@cache
def check() -> None:
    """Raise UnsupportedVersion if a name is missing; checks once in a process."""
    require("h11", names())
