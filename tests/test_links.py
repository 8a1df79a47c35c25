"""fields/links.py: text from a server -> links and alternatives, and never an exception."""

import time

from hypothesis import given
from hypothesis import strategies as st

from statuspolicy.fields.links import Alternative, alternates, links
from tests.each import each

LINKS = {
    "": [],
    "</a>": [("/a", {})],
    '</a>; rel="alternate"; type="text/html"': [("/a", {"rel": "alternate", "type": "text/html"})],
    "< /a >;rel=next , </b>;REL=prev": [("/a", {"rel": "next"}), ("/b", {"rel": "prev"})],
    '</a>; title="a, b; \\"c\\""; rel=x; rel=y': [("/a", {"title": 'a, b; "c"', "rel": "x"})],
    "</a>; crossorigin; rel=preload": [("/a", {"crossorigin": "", "rel": "preload"})],
    "</a> junk, </b>; rel=x junk=1, </c>": [("/a", {}), ("/b", {"rel": "x"}), ("/c", {})],
    "junk, </a>": [("/a", {})],
    "<never closed, </a>": [("/a", {})],
    "<<</a>": [("/a", {})],
    '</a>; rel="never closed, </b>': [("/a", {"rel": "never closed, </b>"})],
    "</a>; =": [("/a", {})],
    "</a>; rel=": [("/a", {"rel": ""})],
}


@each("field", LINKS)
def test_a_field_is_read_into_its_links(field):
    assert [(link.target, dict(link.parameters)) for link in links(field)] == LINKS[field]


def test_a_link_may_have_several_relations():
    (link,) = links('</a>; rel="Next  alternate"')
    assert link.is_("next")
    assert link.is_("alternate")
    assert not link.is_("nex")


@given(st.text(alphabet='<>;,=" \t\\abrel'))
def test_whatever_a_server_writes_is_no_exception(field):
    for link in links(field):
        assert isinstance(link.target, str)


@each("piece", ["<", "<,", ";", "</a>;", '</a>;a="\\",', "</a>; ", '"', " ,"])
def test_a_field_as_long_as_a_header_section_is_read_in_a_moment(piece):
    began = time.process_time()
    links(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 5


def test_alternates_are_those_of_both_fields():
    link = '</a>; rel=alternate; type="text/html"; hreflang=en; title="A", </x>; rel=next'
    field = '{"b.html" 0.9 {type text/HTML} {language en} {length 5}}, {"c" 1.000}, {"d" 7}, proxy'
    assert alternates(link, field) == (
        Alternative("/a", "text/html", "en", "A"),
        Alternative("b.html", "text/html", "en", quality=0.9),
        Alternative("c", quality=1.0),
        Alternative("d"),
    )
    assert list(map(str, alternates(link, '{"c" 1}'))) == ["/a (text/html, en, A)", "c"]


@each("piece", ['{"', '{"" 1 {', '{"" 1{}', '{"" 1 ', "{", '{"a" 1{a b}'])
def test_alternates_as_long_as_a_header_section_are_read_in_a_moment(piece):
    began = time.process_time()
    alternates("", piece * (100_000 // len(piece)))
    assert time.process_time() - began < 5
