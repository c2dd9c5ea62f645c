"""Plots as inline SVG: no library, no font, no script. Colours are classes that the page's style sheet gives for light and dark.

    bar         parts of a whole, side by side          sparkline   a few numbers over time, as large as a word
    columns     counts over an axis                     lines       curves in a square, 0 to 1 both ways
    interval    an estimate with its range on a shared scale

Bars and intervals are laid out in per cent and so fill any width; the others scale with their box. Each carries its sentence for a screen reader.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 360, 170
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 12, 24


@dataclass(frozen=True)
class Part:
    """One part of a bar: how much, what it is, and the class of its colour (`good`, `wait`, `bad`, `calm`, `main`, `rest`)."""

    value: float
    label: str
    tone: str


def bar(parts: Sequence[Part], whole: float | None = None) -> Markup:
    """A bar of parts; `whole` is what fills the width (the parts' sum when not said)."""
    total = whole if whole is not None else sum(part.value for part in parts)
    said = ", ".join(f"{part.label} {part.value:,.0f}" for part in parts)
    drawn, at = [], 0.0
    for part in parts:
        width = 100 * part.value / total if total else 0.0
        if width > 0:
            tip = escape(f"{part.label}: {part.value:,.0f}")
            drawn.append(f'<rect class="{part.tone}" x="{at:.2f}%" width="{max(width, 0.3):.2f}%" height="100%"><title>{tip}</title></rect>')
        at += width
    return Markup(f'<svg class="bar" role="img" aria-label="{escape(said)}">{"".join(drawn)}</svg>')


def sparkline(values: Sequence[float], said: str) -> Markup:
    """A line through the values with its last point marked; the lowest value is the ground, except that flat values lie in the middle."""
    if not values:
        return Markup("")
    width, height, edge = 120, 30, 4
    low, high = min(values), max(values)
    step = (width - 2 * edge) / max(len(values) - 1, 1)
    points = [
        (edge + place * step, height / 2 if high == low else height - edge - (value - low) / (high - low) * (height - 2 * edge))
        for place, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    return Markup(
        f'<svg class="spark" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(said)}">'
        f'<polyline class="line" points="{line}"/><circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"/></svg>'
    )


def columns(counts: Sequence[float], ticks: Sequence[str], said: str, labels: Sequence[str] = (), mark: tuple[float, str] | None = None) -> Markup:
    """Counts side by side over an axis on which `ticks` stand at equal distances; `labels` name each column; `mark` is a share of the width and
    the word for a line drawn there."""
    highest = max([*counts, 1])
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    step = across / max(len(counts), 1)
    gap = min(2.0, step * 0.2)
    drawn = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{TOP + down}" y2="{TOP + down}"/>']
    for place, value in enumerate(counts):
        height = max(down * value / highest, 1.0) if value else 0.0
        tip = f"{labels[place]}: {value:,.0f}" if labels else f"{value:,.0f}"
        drawn.append(
            f'<rect class="main" x="{LEFT + place * step + gap / 2:.1f}" y="{TOP + down - height:.1f}" width="{step - gap:.1f}" '
            f'height="{height:.1f}"><title>{escape(tip)}</title></rect>'
        )
    if mark:
        x = LEFT + across * mark[0]
        anchor = "start" if mark[0] < 0.7 else "end"
        shift = 4 if anchor == "start" else -4
        drawn.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{TOP + down}"/>')
        drawn.append(f'<text class="strong" x="{x + shift:.1f}" y="{TOP + 2}" text-anchor="{anchor}">{escape(mark[1])}</text>')
    drawn += _ticks(ticks, across)
    return _framed(drawn, said, HEIGHT)


def lines(curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], said: str, across: str, up: str) -> Markup:
    """Curves in a square from 0 to 1 (or to their largest value) both ways, with the diagonal that a perfect forecast, or chance, would give."""
    side = WIDTH - LEFT - RIGHT - 30
    largest = max([1.0, *(value for _, points in curves for point in points for value in point)])

    def place(x: float, y: float) -> str:
        return f"{LEFT + 26 + x / largest * side:.1f},{TOP + side - y / largest * side:.1f}"

    drawn = [f'<polyline class="diagonal" points="{place(0, 0)} {place(largest, largest)}"/>']
    drawn.append(f'<polyline class="axis" points="{place(0, largest)} {place(0, 0)} {place(largest, 0)}"/>')
    for number, (name, points) in enumerate(curves):
        tone = ("main", "wait", "calm")[number % 3]
        drawn.append(f'<polyline class="curve {tone}" points="{" ".join(place(x, y) for x, y in points)}"><title>{escape(name)}</title></polyline>')
        drawn += [f'<circle class="{tone}" cx="{place(x, y).split(",")[0]}" cy="{place(x, y).split(",")[1]}" r="2.5"/>' for x, y in points[:40]]
    drawn.append(f'<text x="{LEFT + 26 + side / 2:.0f}" y="{TOP + side + 18}" text-anchor="middle">{escape(across)}</text>')
    drawn.append(f'<text transform="translate({LEFT + 12} {TOP + side / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    return _framed(drawn, said, TOP + side + 26)


def interval(low: float, estimate: float, high: float, scale: tuple[float, float], tone: str, said: str) -> Markup:
    """An estimate between its ends on a scale (from, to) that rows share, with the line of no effect."""

    def at(value: float) -> str:
        return f"{100 * (value - scale[0]) / ((scale[1] - scale[0]) or 1):.2f}%"

    return Markup(
        f'<svg class="interval" role="img" aria-label="{escape(said)}"><title>{escape(said)}</title>'
        f'<line class="zero" x1="{at(0)}" x2="{at(0)}" y1="0" y2="100%"/>'
        f'<line class="range {tone}" x1="{at(low)}" x2="{at(high)}" y1="50%" y2="50%"/>'
        f'<circle class="{tone}" cx="{at(estimate)}" cy="50%" r="5"/></svg>'
    )


def scale_of(values: Sequence[float]) -> tuple[float, float]:
    """A scale that holds the values and zero, with some air at both ends."""
    low, high = min([*values, 0.0]), max([*values, 0.0])
    air = (high - low) * 0.06 or 1.0
    return low - air, high + air


def _ticks(ticks: Sequence[str], across: float) -> list[str]:
    last = max(len(ticks) - 1, 1)
    anchors = ["start", *["middle"] * (len(ticks) - 2), "end"]
    return [
        f'<text x="{LEFT + across * place / last:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{escape(tick)}</text>'
        for place, (tick, anchor) in enumerate(zip(ticks, anchors, strict=False))
    ]


def _framed(drawn: Sequence[str], said: str, height: float) -> Markup:
    return Markup(f'<svg class="plot" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(said)}">{"".join(drawn)}</svg>')
