"""A file as a server of RFC 9110 gives it, and a way to save it with any kind of client."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statuspolicy.testing import Answer, Received
from tests.library import sp

BODY = random.Random(206).randbytes(300_000)


class Ranged:
    """Answers with the file, or the range of it that is asked for.

    fields: of every answer; ETag and Accept-Ranges where none are given.
    cut: hang up after so many bytes of the body.
    """

    def __init__(
        self, body: bytes = BODY, fields: Mapping[str, str] | None = None, cut: int | None = None
    ) -> None:
        self.body = body
        self.fields = {"ETag": '"v1"', "Accept-Ranges": "bytes"} if fields is None else fields
        self.cut = cut

    def __call__(self, request: Received) -> Answer:
        asked, length = request.headers.get("range"), len(self.body)
        fields, status, body = dict(self.fields), 200, self.body
        condition = request.headers.get("if-range")
        if asked and condition in (None, fields.get("ETag"), fields.get("Last-Modified")):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or length), length - 1) + 1
            if start >= length:
                return Answer(416, {"Content-Range": f"bytes */{length}"}, b"an entity")
            fields["Content-Range"] = f"bytes {start}-{end - 1}/{length}"
            status, body = 206, self.body[start:end]
        if self.cut is None:
            return Answer(status, fields, body)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        announced = f"HTTP/1.1 {status} Cut\r\n{head}Content-Length: {len(body)}\r\n\r\n"
        return Answer(raw=announced.encode() + body[: self.cut], close=True)


# The rest can't be had now, and the wait that is asked for is too long.
GONE = Answer(503, {"Retry-After": "3600"})


def save(session: Any, url: str, path: Path, **options: Any) -> Path:
    """Download with the session's client, whichever it is."""
    call = sp.download if session.portal is None else sp.adownload
    return session.run(call, session.client, url, path, **options)


def beside(path: Path) -> list[str]:
    """The names that are in a file's directory."""
    return sorted(entry.name for entry in path.parent.iterdir())
