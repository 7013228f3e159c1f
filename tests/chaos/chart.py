"""A picture of a run: faults as bars, answers a second, and what lagged, over one time axis (SVG)."""

from __future__ import annotations

import math
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from chaos.history import ACKNOWLEDGED, REFUSED, UNCERTAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from chaos.history import Call
    from chaos.nemesis import Happened

_WIDTH, _LEFT, _RIGHT, _TOP = 960, 190, 20, 46
_BAR, _PANEL, _GAP = 14, 120, 34
_COLOURS = {ACKNOWLEDGED: "#2f7d4f", REFUSED: "#8a8f98", UNCERTAIN: "#c2410c"}
_LAG_COLOURS = ("#1d4ed8", "#7c3aed", "#b45309")


class Sample(NamedTuple):
    """What lagged at one moment: name -> events or letters that wait."""

    at_s: float
    waiting: Mapping[str, int]


def draw(title: str, calls: Sequence[Call], happened: Sequence[Happened], samples: Sequence[Sample]) -> str:
    """The chart's source."""
    last_s = max([call.ended_s for call in calls] + [s.at_s for s in samples] + [h.ended_s for h in happened])
    scale = (_WIDTH - _LEFT - _RIGHT) / max(last_s, 1.0)
    targets = sorted({one.target for one in happened})
    answers_at = _TOP + _BAR * len(targets) + _GAP
    lag_at = answers_at + _PANEL + _GAP
    height = lag_at + _PANEL + _GAP
    parts = [
        *_faults(targets, happened, scale),
        *_answers(calls, answers_at, scale),
        *_lag(samples, lag_at, scale),
        *_axis(last_s, lag_at + _PANEL, scale),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
            "<style>text { font: 11px sans-serif; fill: #1f2937 }</style>",
            f"<title>{escape(title)}</title>",
            f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
            f'<text x="12" y="24" style="font-size: 15px">{escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def _faults(targets: Sequence[str], happened: Sequence[Happened], scale: float) -> Iterator[str]:
    for row, target in enumerate(targets):
        y = _TOP + _BAR * row
        yield f'<text x="{_LEFT - 8}" y="{y + 10}" text-anchor="end">{escape(target)}</text>'
        for one in happened:
            if one.target == target:
                width = max(2.0, (one.ended_s - one.began_s) * scale)
                hint = f"<title>{escape(one.name)} at {one.began_s:.1f} s</title>"
                place = f'x="{_LEFT + one.began_s * scale:.1f}" y="{y + 2}" width="{width:.1f}" height="{_BAR - 4}"'
                yield f'<rect {place} fill="#b91c1c">{hint}</rect>'


def _answers(calls: Sequence[Call], top: int, scale: float) -> Iterator[str]:
    """Stacked for every second: acknowledged, refused, and those without an answer."""
    counts = Counter((int(call.ended_s), call.outcome) for call in calls)
    totals = Counter(int(call.ended_s) for call in calls)
    most = max(totals.values(), default=1)
    yield _caption("answers a second", most, top)
    for second in totals:
        y = float(top + _PANEL)
        for outcome, colour in _COLOURS.items():
            tall = counts[second, outcome] / most * _PANEL
            y -= tall
            place = f'x="{_LEFT + second * scale:.1f}" y="{y:.1f}" width="{max(1.0, scale - 0.5):.1f}"'
            yield f'<rect {place} height="{tall:.1f}" fill="{colour}"/>'
    yield from _legend(_COLOURS.items(), top)


def _lag(samples: Sequence[Sample], top: int, scale: float) -> Iterator[str]:
    names = sorted({name for sample in samples for name in sample.waiting})
    most = max((count for sample in samples for count in sample.waiting.values()), default=1) or 1
    yield _caption("waiting", most, top)
    for name, colour in zip(names, _LAG_COLOURS, strict=False):
        points = " ".join(
            f"{_LEFT + one.at_s * scale:.1f},{top + _PANEL - one.waiting[name] / most * _PANEL:.1f}"
            for one in samples
            if name in one.waiting
        )
        yield f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    yield from _legend(zip(names, _LAG_COLOURS, strict=False), top)


def _axis(last_s: float, y: int, scale: float) -> Iterator[str]:
    step = 10 ** math.floor(math.log10(max(last_s, 10))) / 2
    for number in range(int(last_s / step) + 1):
        x = _LEFT + number * step * scale
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{y + 4}" stroke="#1f2937" stroke-opacity="0.15"/>'
        yield f'<text x="{x:.1f}" y="{y + 18}" text-anchor="middle">{number * step:g} s</text>'


def _caption(words: str, most: int, top: int) -> str:
    return f'<text x="{_LEFT - 8}" y="{top + 12}" text-anchor="end">{words} (at most {most})</text>'


def _legend(entries: Iterable[tuple[str, str]], top: int) -> Iterator[str]:
    for row, (name, colour) in enumerate(entries):
        y = top + 32 + row * 16
        yield f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end" style="fill: {colour}">{escape(name)}</text>'
