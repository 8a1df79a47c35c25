"""The pure modules of downloads/, as tables of values and as properties."""

import hashlib
import io
import json
from base64 import b64encode, urlsafe_b64encode
from itertools import pairwise
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.downloads.answers import Anew, NoFile, judge
from statuspolicy.downloads.digests import expected as told_by
from statuspolicy.downloads.digests import mismatch, said_of_part, unverified
from statuspolicy.downloads.digests import said as said_by
from statuspolicy.downloads.journal import MOST, begun, dumped, read
from statuspolicy.downloads.multipart_byteranges import ByteRanges, Unreadable, boundary
from statuspolicy.downloads.spans import ENDLESS, LEAST, gaps, shares, with_span, within, without
from statuspolicy.fields.section import Fields
from tests.each import each


def fields(**named: str) -> Fields:
    return Fields((n.replace("_", "-").encode(), v.encode()) for n, v in named.items())


# ── spans ──────────────────────────────────────────────────────────────────────────────

SPAN = st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda s: (s[0], s[0] + s[1]))
SPANS = st.lists(SPAN, max_size=8)


def bytes_of(spans) -> set[int]:
    return {n for first, end in spans for n in range(first, end)}


def merged(spans):
    done = []
    for span in spans:
        done = with_span(done, span)
    return done


@given(SPANS)
def test_spans_are_merged_in_order_and_apart(spans):
    done = merged(spans)
    assert bytes_of(done) == bytes_of(spans)
    assert all(first[1] < second[0] for first, second in pairwise(done))


@given(SPANS, SPAN)
def test_what_is_cut_from_spans_and_what_is_kept_are_all_of_them(spans, cut):
    spans = merged(spans)
    assert bytes_of(without(spans, cut)) == bytes_of(spans) - bytes_of([cut])
    assert bytes_of(within(spans, cut)) == bytes_of(spans) & bytes_of([cut])


@given(SPANS, st.integers(0, 60))
def test_gaps_are_what_is_not_there(spans, length):
    assert bytes_of(gaps(merged(spans), length)) == set(range(length)) - bytes_of(spans)


@given(SPANS, st.integers(1, 8))
def test_shares_are_disjoint_whole_and_about_equal(spans, most):
    spans = [(first * LEAST, end * LEAST) for first, end in merged(spans)]
    shared = shares(spans, most)
    assert len(shared) <= most
    assert merged(span for share in shared for span in share) == spans
    sizes = [sum(end - first for first, end in share) for share in shared]
    assert sum(sizes) == sum(end - first for first, end in spans)
    assert all(size == sizes[0] for size in sizes[:-1])
    assert all(size >= LEAST for size in sizes[:-1])


def test_no_share_is_too_small_to_be_worth_a_request():
    assert shares([(0, LEAST)], 4) == [[(0, LEAST)]]
    assert len(shares([(0, 2 * LEAST)], 4)) == 2
    assert shares([(5, ENDLESS)], 1) == [[(5, ENDLESS)]]


# ── multipart/byteranges ───────────────────────────────────────────────────────────────

TYPE = "multipart/byteranges; boundary=cut"


def multipart(*parts: tuple[int, bytes], length: object = 100, before: bytes = b"") -> bytes:
    text = before
    for first, content in parts:
        span = f"Content-Range: bytes {first}-{first + len(content) - 1}/{length}"
        text += f"\r\n--cut\r\nContent-Type: x/y\r\n{span}\r\n\r\n".encode() + content
    return text + b"\r\n--cut--\r\n"


def placed_by(body: bytes, size: int, length: int | None = None) -> dict[int, int]:
    parts, placed = ByteRanges(TYPE, length), {}
    for start in range(0, len(body), size):
        for first, piece in parts.feed(body[start : start + size]):
            placed.update(enumerate(piece, first))
    assert parts.ended
    return placed


@given(
    st.lists(st.tuples(st.integers(0, 9), st.binary(min_size=1, max_size=30)), max_size=5),
    st.integers(1, 40),
)
def test_parts_are_the_same_however_they_are_cut(drawn, size):
    """A part may hold the boundary, or end like one."""
    parts = [(100 * n + first, content) for n, (first, content) in enumerate(drawn)]
    parts += [(600, b"\r\n--cut--\r\n")]
    placed = {first + n: byte for first, content in parts for n, byte in enumerate(content)}
    body = multipart(*parts, length=1000, before=b"preamble")
    assert placed_by(body, size) == placed
    assert placed_by(body, size, 1000) == placed


def test_an_empty_multipart_has_no_parts():
    assert placed_by(multipart(), 1) == {}
    assert placed_by(multipart((3, b"abc"), length="*"), 7) == {3: 97, 4: 98, 5: 99}


@each(
    ("body", "why"),
    [
        (multipart((0, b"abc")).replace(b"0-2", b"0-1"), "not followed by the boundary"),
        (multipart((0, b"abc")).replace(b"Content-Range", b"X"), "no valid Content-Range"),
        (multipart((0, b"abc")).replace(b"0-2/100", b"2-0/100"), "no valid Content-Range"),
        (multipart((0, b"a"), length=100) + b"." * 20_000, "do not end"),
        (multipart((0, b"a"), length=99), "another length"),
        (b"--cut\r\nX: " + b"." * 20_000, "header fields of one of its parts do not end"),
        (b"." * 20_000, "header fields of one of its parts do not end"),
        (b"".join(multipart((0, b"a"))[:-9] for _ in range(1001)), "no valid Content-Range"),
    ],
)
def test_what_is_no_multipart_is_said_to_be_none(body, why):
    with pytest.raises(Unreadable, match=why):
        ByteRanges(TYPE, 100).feed(body)


@each(
    ("content_type", "expected"),
    [
        ("multipart/byteranges; boundary=abc", b"--abc"),
        ('multipart/byteranges; charset=x; BOUNDARY="a b:c"', b"--a b:c"),
        ("multipart/byteranges", None),
        ("multipart/byteranges; boundary=", None),
        ('multipart/byteranges; boundary=" "', None),
        ("multipart/byteranges; boundary=" + "x" * 71, None),
        ("multipart/byteranges; boundary=ä", None),
    ],
)
def test_the_boundary_is_one_of_the_rfc_s_or_none(content_type, expected):
    if expected is None:
        with pytest.raises(Unreadable, match="names no boundary"):
            boundary(content_type)
    else:
        assert boundary(content_type) == expected


# ── digests ────────────────────────────────────────────────────────────────────────────

FILE = b"the file"
SHA256 = hashlib.sha256(FILE).digest()
SHA512 = hashlib.sha512(FILE).digest()
MD5 = hashlib.md5(FILE).digest()


def b64(digest: bytes) -> str:
    return b64encode(digest).decode()


OTHER = hashlib.sha256(b"another").digest()
# Each says it in its own way, and it is verified.
WRITTEN = [
    ({"repr_digest": f"sha-256=:{b64(SHA256)}:"}, ["sha256"]),
    ({"repr_digest": f"sha-512=:{b64(SHA512)}:, sha-256=:{b64(SHA256)}:"}, ["sha512", "sha256"]),
    ({"repr_digest": f"sha-256=:{b64(SHA256)}:;a=1"}, ["sha256"]),
    ({"repr_digest": f'sha-256=:{b64(SHA256)}: ; a;b="x, y";c=:YQ==:'}, ["sha256"]),
    ({"repr_digest": f"sha-256=:{b64(SHA256).rstrip('=')}:"}, ["sha256"]),
    ({"repr_digest": f"SHA-256=:{b64(SHA256)}:"}, ["sha256"]),
    ({"repr_digest": f"sha-256 = :{b64(SHA256)}:,"}, ["sha256"]),
    ({"repr_digest": f"sha-256={b64(SHA256)}"}, ["sha256"]),
    ({"repr_digest": f'sha-256="{b64(SHA256)}"'}, ["sha256"]),
    ({"repr_digest": f"sha-256=:{SHA256.hex()}:"}, ["sha256"]),
    ({"repr_digest": f"sha-256={urlsafe_b64encode(SHA256).decode()}"}, ["sha256"]),
    ({"repr_digest": f"md5=:{b64(MD5)}:, unixsum=:AAAA:"}, ["md5"]),
    ({"repr_digest": f"sha=:{b64(hashlib.sha1(FILE).digest())}:"}, ["sha1"]),
    # RFC 8941 §3.2: of two members by one name the last counts.
    ({"repr_digest": f"sha-256=:{b64(OTHER)}:, sha-256=:{b64(SHA256)}:"}, ["sha256"]),
    ({"content_digest": f"sha-256=:{b64(SHA256)}:"}, ["sha256"]),
    ({"content_md5": b64(MD5)}, ["md5"]),
    ({"content_md5": MD5.hex()}, ["md5"]),
    ({"digest": f"SHA-256={b64(SHA256)},MD5={b64(MD5)}"}, ["sha256", "md5"]),
    ({"digest": f"sha-512={b64(SHA512)}"}, ["sha512"]),
]  # fmt: skip


@each(("said", "algorithms"), [({}, []), *WRITTEN])
def test_the_digests_of_a_response_are_verified_however_they_are_written(said, algorithms):
    told = told_by(fields(**said))
    assert [algorithm for _, algorithm, _ in told] == algorithms
    assert mismatch(io.BytesIO(FILE), told) == ""
    assert bool(mismatch(io.BytesIO(b"another"), told)) is bool(algorithms)
    assert unverified(said_by(200, fields(**said))) == []


@each(
    ("said", "member"),
    [
        ({"repr_digest": "md5=:AAAA:"}, "md5=:AAAA:"),
        ({"repr_digest": "unixsum=:AAAA:"}, "unixsum=:AAAA:"),
        ({"repr_digest": "sha-256=:AAAA:"}, "sha-256=:AAAA:"),
        ({"repr_digest": "sha-256=:A:"}, "sha-256=:A:"),
        ({"repr_digest": "sha-256"}, "sha-256"),
        ({"repr_digest": "sha-256=(:AAAA: :AAAA:)"}, "sha-256=(:AAAA: :AAAA:)"),
        ({"repr_digest": f"sha-256=:n\u00f6:, md5=:{b64(MD5)}:"}, "sha-256=:n\u00f6:"),
        ({"repr_digest": ""}, ""),
        ({"content_digest": "?1"}, "?1"),
        ({"content_md5": "n\u00f6"}, "n\u00f6"),
        ({"content_md5": f"{b64(MD5)}, {b64(SHA256)}"}, f"{b64(MD5)}, {b64(SHA256)}"),
        ({"digest": "id-sha-256=AAAA"}, "id-sha-256=AAAA"),
        ({"digest": "x" * 200}, "x" * 80),
    ],
)
def test_a_digest_that_can_t_be_verified_is_told(said, member):
    (name,) = said
    title = name.replace("_", "-").title()
    found = unverified(said_by(200, fields(**said)))
    assert found == [f"its {title} can't be verified ({member})"]


def test_a_206_speaks_of_the_whole_in_repr_digest_and_of_itself_in_content_digest():
    of_part = b64(hashlib.sha256(b"the").digest())
    whole = fields(content_digest=f"sha-256=:{b64(SHA256)}:", content_md5=b64(MD5))
    part = fields(
        content_digest=f"sha-256=:{of_part}:", content_md5=b64(MD5), repr_digest="sha-256=:x:"
    )
    assert said_by(206, part) == {"repr-digest": "sha-256=:x:"}
    told = told_by(said_of_part(part, whole))  # it repeats what was said of the whole
    assert mismatch(io.BytesIO(b"the"), told) == ""
    assert "Content-Digest says sha256" in mismatch(io.BytesIO(b"THE"), told)
    assert said_by(416, part) == {}


def test_a_mismatch_says_who_said_what_and_what_it_is():
    told = told_by(fields(), "AB" * 32)
    why = mismatch(io.BytesIO(FILE), told)
    assert why == f"sha256= says sha256 {'ab' * 32}, but it is {SHA256.hex()}"


# ── the journal ────────────────────────────────────────────────────────────────────────

STRONG = {"etag": '"v1"', "content_length": "100", "content_type": "text/plain"}
PART = begun("asked", "from", fields(**STRONG))._replace(there=((0, 10), (20, 30)))


def test_etag_a_journal_is_read_as_it_was_written():
    found = read(dumped(PART), "asked", 30)
    assert found == PART
    assert found is not None
    assert (found.count, found.length, found.fields.get("etag")) == (20, 100, '"v1"')


def test_a_journal_keeps_what_is_needed_and_no_secret():
    begun_with = begun("asked", "from", fields(**STRONG, set_cookie="a=b", server="x"))
    assert [name for name, _ in begun_with.lines] == ["etag", "content-type", "content-length"]


def checked(line: str) -> bytes:
    return b"%08x %b\n" % (crc32(line.encode()), line.encode())


def forged(**changes: object) -> bytes:
    return checked(json.dumps({"version": 1, **vars(PART), **changes}))


@each(
    "data",
    [
        b"",
        b"\0" * 100,
        dumped(PART)[:-5],
        dumped(PART).replace(b"20", b"21"),
        dumped(PART) + b"x" * MOST,
        checked("[]"),
        checked("{}"),
        checked("[" * 20_000),
        checked("nonsense"),
        forged(version=2),
        forged(there=[]),
        forged(there=[[0, 40]]),
        forged(there=[[-1, 4]]),
        forged(there=[[4, 4]]),
        forged(there=[[0, 10], [10, 20]]),
        forged(there=[[20, 30], [0, 10]]),
        forged(there=[["a", "b"]]),
        forged(there=[[0]]),
        forged(there=[[0, float("inf")]]),
        forged(length=100.0),
        forged(length=float("inf")),
        forged(there=None),
        forged(length=5),
        forged(length="100"),
        forged(lines=[["etag", 'W/"v1"']], length=None),
        forged(lines=[["etag", '"v1"\r\nX: y']], length=None),
        forged(lines=[["etag", '"v1"'], ["accept-ranges", "none"]], length=None),
        forged(url="another"),
        forged(more=1),
    ],
)  # fmt: skip
def test_etag_what_is_damaged_or_of_something_else_is_not_gone_on_with(data):
    assert read(data, "asked", 30) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_a_journal_fail(data):
    read(data, "asked", 30)
    read(b"%08x %b" % (crc32(data), data), "asked", 30)


def test_what_would_be_too_long_is_not_kept():
    long = begun("a", "b", fields(etag=f'"{"x" * MOST}"'))._replace(there=((0, 1),))
    assert (long.joinable, dumped(long)) == (True, b"")


# ── what an answer brings ──────────────────────────────────────────────────────────────

SAME = {"etag": '"v1"', "content_type": "text/plain"}
RANGE = {"etag": '"v1"', "content_range": "bytes 10-19/100"}


def judged(status: int, known=PART, requested=(10, 20), came_from="from", **named: str):
    return judge(status, fields(**named), came_from, known, requested)


@each(
    ("status", "named", "known"),
    [
        (200, {}, None),
        (200, {"content_type": "text/html"}, None),
        (200, {**SAME, "etag": '"v2"'}, PART),
        (200, {"content_type": "TEXT/PLAIN; charset=x"}, PART),
        (200, {**SAME, "content_length": "99"}, PART),
        (200, {**SAME, "content_encoding": "gzip"}, PART),
    ],
)
def test_a_200_is_a_new_start(status, named, known):
    assert judged(status, known, **named).anew


def test_a_200_of_the_same_bytes_is_none():
    source = judged(200, **SAME, content_length="100")
    assert not source.anew
    assert source.feed(b"abc") == [(0, b"abc")]
    assert judged(200, came_from="elsewhere", **SAME).anew


def test_a_200_of_no_length_says_it_when_its_body_ends():
    source = judged(200, None)
    assert (source.goes_on, source.length) == (True, None)
    source.feed(b"abc")
    assert source.closes == 3
    told = judged(200, None, content_length="3")
    assert (told.length, told.closes) == (3, None)
    told.feed(b"abc")
    assert not told.goes_on
    with pytest.raises(Anew, match="the server sent more bytes"):
        told.feed(b"d")


def test_a_page_in_place_of_the_file_is_none():
    with pytest.raises(NoFile, match="text/plain and is text/html now"):
        judged(200, content_type="text/html; charset=utf-8")
    with pytest.raises(NoFile, match="is none now"):
        judged(200)


@each(("status", "known"), [(204, PART), (404, PART), (206, None), (416, None)])
def test_204_206_404_416_other_answers_are_no_file(status, known):
    with pytest.raises(NoFile):
        judged(status, known, **RANGE)


def test_a_206_brings_what_was_asked_for():
    source = judged(206, **RANGE)
    assert (source.anew, source.length, source.goes_on) == (False, 100, True)
    assert source.feed(b"0123456789") == [(10, b"0123456789")]
    assert (source.goes_on, source.closes) == (False, None)
    with pytest.raises(Anew, match="the server sent more bytes than it announced"):
        source.feed(b"x")
    endless = judged(206, requested=(10, ENDLESS), etag='"v1"', content_range="bytes 10-19/*")
    assert (endless.length, endless.closes) == (None, None)
    assert judged(206, last_modified="Thu, 01 Jan 1970 00:00:00 GMT", **RANGE).length == 100


@each(
    ("named", "why"),
    [
        ({"etag": '"v2"'}, "the ETag changed"),
        ({"content_encoding": "gzip"}, "the Content-Encoding changed"),
        ({"content_range": "bytes 10-19/99"}, "the length changed"),
        ({"content_range": "bytes 0-19/100"}, "were requested and 0-19 came"),
        ({"content_range": "bytes 11-19/100"}, "were requested and 11-19 came"),
        ({"content_range": "bytes 10-20/100"}, "bytes 10-19 were requested"),
        ({"content_range": "items 10-19/100"}, "is missing or not valid"),
        ({"content_range": "bytes 19-10/100"}, "is missing or not valid"),
        ({"content_length": "5"}, "Content-Length does not match its Content-Range"),
        ({"content_type": "multipart/byteranges"}, "names no boundary"),
        ({"came_from": "elsewhere"}, "the answer came from another URL"),
    ],
)
def test_a_206_that_does_not_fit_is_joined_with_nothing(named, why):
    with pytest.raises(Anew, match=why):
        judged(206, **{**RANGE, **named})


def test_a_206_of_several_parts_brings_each_to_its_place():
    source = judged(206, etag='"v1"', content_type=TYPE)
    assert source.feed(multipart((10, b"abc"), (50, b"de"))[:-7]) == [(10, b"abc"), (50, b"de")]
    assert source.goes_on
    source.feed(b"cut--\r\n")
    assert not source.goes_on
    with pytest.raises(Anew, match="multipart/byteranges can't be parsed: the bytes after"):
        source.feed(b"." * 20_000)


@each(
    ("named", "asked", "complete"),
    [
        ({"content_range": "bytes */100"}, (100, ENDLESS), True),
        ({"content_range": "bytes */100", "etag": '"v1"'}, (100, ENDLESS), True),
        ({"content_range": "bytes */100", "etag": '"v2"'}, (100, ENDLESS), False),
        ({"content_range": "bytes */99"}, (100, ENDLESS), False),
        ({"content_range": "bytes */10"}, (10, 20), False),
        ({"content_range": "bytes */*"}, (100, ENDLESS), False),
        ({}, (100, ENDLESS), False),
    ],
)
def test_a_416_says_whether_it_is_whole(named, asked, complete):
    if not complete:
        with pytest.raises(Anew, match="no longer has the requested bytes"):
            judged(416, requested=asked, **named)
    else:
        source = judged(416, requested=asked, **named)
        assert (source.length, source.feed(b"an entity"), source.goes_on) == (100, [], True)


def test_a_416_tells_a_length_that_was_not_known():
    unknown = begun("asked", "from", fields(etag='"v1"'))._replace(there=((0, 10),))
    source = judged(416, unknown, (10, ENDLESS), content_range="bytes */10")
    assert source.length == 10
