"""The chart of a run is one picture that every browser can show."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

from chaos.chart import Sample, draw
from chaos.nemesis import Happened
from chaos.specimen import specimen

_SVG = "{http://www.w3.org/2000/svg}"
HAPPENED = (Happened("killed", "gateway", 1.0, 1.5), Happened("frozen", "kafka", 2.0, 6.0))


def picture() -> Xml.Element:
    samples = [Sample(float(second), {"letters to send": second}) for second in range(5)]
    return Xml.fromstring(draw("Chaos & order", specimen().calls, HAPPENED, samples))


def test_every_fault_is_a_bar_that_says_what_it_was():
    hints = [title.text for title in picture().iterfind(f"{_SVG}rect/{_SVG}title")]
    assert hints == ["killed at 1.0 s", "frozen at 2.0 s"]


def test_lag_is_a_line_and_the_chart_has_a_title():
    drawn = picture()
    assert drawn.findtext(f"{_SVG}title") == "Chaos & order"
    [line] = drawn.findall(f"{_SVG}polyline")
    assert len(line.attrib["points"].split()) == 5
