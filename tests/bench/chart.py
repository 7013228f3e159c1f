"""A small chart of how query times stay as bookings become more: SVG, readable on light and dark pages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH, _HEIGHT = 680, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 200, 40, 44
_COLOURS = ("#1b6ca8", "#b3541e", "#2d7d46", "#7a3e9d", "#a61c3c", "#4b5563", "#0f7c85", "#8a6d00", "#c2418b")
_FONT = 'font-family="system-ui, sans-serif" font-size="12"'


def drawn(sizes: Sequence[int], times_ms: Mapping[str, Sequence[float]]) -> str:
    """One line for each query over the numbers of bookings, both axes logarithmic."""
    highest = max(max(times) for times in times_ms.values()) * 1.3
    lowest = min(min(times) for times in times_ms.values()) / 1.3
    plot = _Plot(sizes, lowest, highest)
    parts = [plot.frame(), *(plot.mark(size) for size in sizes), *plot.levels()]
    names = sorted(times_ms, key=lambda name: -times_ms[name][-1])
    for place, name in enumerate(names):
        parts.append(plot.line(name, times_ms[name], place, len(names)))
    return "\n".join([*parts, "</svg>", ""])


class _Plot:
    """Where things are in the picture."""

    def __init__(self, sizes: Sequence[int], lowest: float, highest: float) -> None:
        self._sizes, self._lowest, self._highest = sizes, lowest, highest

    def x(self, size: float) -> float:
        share = math.log(size / self._sizes[0]) / math.log(self._sizes[-1] / self._sizes[0])
        return _LEFT + 12 + share * (_WIDTH - _LEFT - _RIGHT - 24)

    def y(self, time_ms: float) -> float:
        share = math.log(time_ms / self._lowest) / math.log(self._highest / self._lowest)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    def frame(self) -> str:
        title = "Median time of a query, in milliseconds, by the number of bookings"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" {_FONT}>\n'
            f"<title>{title}</title>\n"
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" rx="8" fill="#ffffff"/>\n'
            f'<text x="{_LEFT - 28}" y="24" fill="#1f2937" font-weight="600">{title}</text>'
        )

    def mark(self, size: int) -> str:
        x = self.x(size)
        return (
            f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_HEIGHT - _BOTTOM}" stroke="#e5e7eb"/>'
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle" fill="#374151">{size:,}</text>'
        )

    def levels(self) -> list[str]:
        found = [10.0**power * step for power in range(-2, 4) for step in (1, 2, 5)]
        shown = [level for level in found if self._lowest <= level <= self._highest]
        return [
            f'<text x="{_LEFT - 8}" y="{self.y(level) + 4:.1f}" text-anchor="end" fill="#374151">{level:g}</text>'
            f'<line x1="{_LEFT}" y1="{self.y(level):.1f}" x2="{_WIDTH - _RIGHT}" y2="{self.y(level):.1f}" '
            'stroke="#f3f4f6"/>'
            for level in shown
        ]

    def line(self, name: str, times: Sequence[float], place: int, of: int) -> str:
        """The line, and its name beside it in the order of the lines' ends."""
        colour = _COLOURS[place % len(_COLOURS)]
        points = " ".join(
            f"{self.x(size):.1f},{self.y(time):.1f}" for size, time in zip(self._sizes, times, strict=True)
        )
        label_y = _TOP + 12 + place * (_HEIGHT - _TOP - _BOTTOM - 12) / max(1, of)
        return (
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{_WIDTH - _RIGHT + 12}" y="{label_y:.1f}" fill="{colour}">{escape(name)}</text>'
        )
