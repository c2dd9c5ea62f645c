"""Plots as inline SVG: no library, no font, no script. Colours are classes that the page's style sheet gives for light and dark.

    bar         parts of a whole, side by side          sparkline   a few numbers over time, as large as a word
    columns     counts over an axis                     lines       curves in a square, 0 to 1 both ways
    interval    an estimate with its range on a shared scale

Bars and intervals are laid out in per cent and so fill any width; the others scale with their box. Each says in a sentence what it shows,
for those who do not see it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 360, 170
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 20, 24
# A square is drawn about as large as it is shown, so that its words stay readable; beside its axes there is room for them.
SQUARE, SIDE_ROOM = 230, 26


@dataclass(frozen=True)
class Part:
    """One part of a bar: how much, what it is, and the class of its colour (`good`, `wait`, `bad`, `calm`, `main`, `rest`)."""

    value: float
    label: str
    tone: str


def element(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """An element; texts are escaped, elements are not. `class_` is the class, other underscores become hyphens."""
    written = Markup("").join(Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
    return Markup("<{name}{written}>{inner}</{name}>").format(name=name, written=written, inner=Markup("").join(children))


def bar(parts: Sequence[Part], whole: float | None = None) -> Markup:
    """A bar of parts; `whole` is what fills the width (the parts' sum when not said)."""
    total = whole if whole is not None else sum(part.value for part in parts)
    drawn, at = [], 0.0
    for part in parts:
        width = 100 * part.value / total if total else 0.0
        if width > 0:
            tip = element("title", f"{part.label}: {part.value:,.0f}")
            # A part that is there is seen, however small it is.
            drawn.append(element("rect", tip, class_=part.tone, x=f"{at:.2f}%", width=f"{max(width, 0.3):.2f}%", height="100%"))
        at += width
    return element("svg", *drawn, class_="bar", role="img", aria_label=", ".join(f"{part.label} {part.value:,.0f}" for part in parts))


def sparkline(values: Sequence[float], said: str) -> Markup:
    """A line through the values with its last point marked. The lowest value is the ground; equal values lie in the middle."""
    if not values:
        return Markup("")
    width, height, edge = 120, 30, 4
    low, high = min(values), max(values)
    step = (width - 2 * edge) / max(len(values) - 1, 1)
    points = [
        (edge + place * step, height / 2 if high == low else height - edge - (value - low) / (high - low) * (height - 2 * edge))
        for place, value in enumerate(values)
    ]
    x, y = points[-1]
    line = element("polyline", class_="line", points=_path(points))
    dot = element("circle", class_="dot", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3)
    return element("svg", line, dot, class_="spark", viewBox=f"0 0 {width} {height}", role="img", aria_label=said)


def columns(
    counts: Sequence[float], ticks: Sequence[str], said: str, labels: Sequence[str] = (), mark: tuple[float, str] | None = None
) -> Markup:
    """Counts side by side over an axis with `ticks` at equal distances. `labels` name each column; `mark` is a share of the width and the
    word for a line drawn there."""
    highest = max([*counts, 1])
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    ground = TOP + down
    step = across / max(len(counts), 1)
    gap = min(2.0, step * 0.2)
    drawn = [element("line", class_="axis", x1=LEFT, x2=WIDTH - RIGHT, y1=ground, y2=ground)]
    for place, value in enumerate(counts):
        height = max(down * value / highest, 1.0) if value else 0.0
        tip = element("title", f"{labels[place]}: {value:,.0f}" if labels else f"{value:,.0f}")
        x, y = f"{LEFT + place * step + gap / 2:.1f}", f"{ground - height:.1f}"
        drawn.append(element("rect", tip, class_="main", x=x, y=y, width=f"{step - gap:.1f}", height=f"{height:.1f}"))
    if mark:
        at, word = LEFT + across * mark[0], mark[1]
        anchor, shift = ("start", 4) if mark[0] < 0.7 else ("end", -4)
        drawn.append(element("line", class_="mark", x1=f"{at:.1f}", x2=f"{at:.1f}", y1=TOP - 16, y2=ground))
        drawn.append(element("text", word, class_="strong", x=f"{at + shift:.1f}", y=TOP - 8, text_anchor=anchor))
    anchors = ["start", *["middle"] * (len(ticks) - 2), "end"]
    for place, (tick, anchor) in enumerate(zip(ticks, anchors, strict=False)):
        drawn.append(element("text", tick, x=f"{LEFT + across * place / max(len(ticks) - 1, 1):.1f}", y=HEIGHT - 8, text_anchor=anchor))
    return element("svg", *drawn, class_="plot", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said)


def lines(curves: Sequence[tuple[str, Sequence[tuple[float, float]]]], said: str, across: str, up: str) -> Markup:
    """Curves in a square from 0 to 1 (or to their largest value) both ways, with the diagonal of a perfect forecast."""
    side, origin = SQUARE - LEFT - RIGHT - SIDE_ROOM, LEFT + SIDE_ROOM
    largest = max([1.0, *(value for _, points in curves for point in points for value in point)])

    def placed(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
        return [(origin + x / largest * side, TOP + side - y / largest * side) for x, y in points]

    drawn = [element("polyline", class_="diagonal", points=_path(placed([(0, 0), (largest, largest)])))]
    drawn.append(element("polyline", class_="axis", points=_path(placed([(0, largest), (0, 0), (largest, 0)]))))
    for number, (name, points) in enumerate(curves):
        tone = ("main", "wait", "calm")[number % 3]
        drawn.append(element("polyline", element("title", name), class_=f"curve {tone}", points=_path(placed(points))))
        drawn += [element("circle", class_=tone, cx=f"{x:.1f}", cy=f"{y:.1f}", r=2.5) for x, y in placed(points)]
    drawn.append(element("text", across, x=origin + side // 2, y=TOP + side + 18, text_anchor="middle"))
    drawn.append(element("text", up, transform=f"translate({LEFT + 12} {TOP + side // 2}) rotate(-90)", text_anchor="middle"))
    end = f"{largest:,.0f}"
    drawn += [
        element("text", "0", x=origin, y=TOP + side + 18),
        element("text", end, x=origin + side, y=TOP + side + 18, text_anchor="end"),
    ]
    drawn.append(element("text", end, x=origin - 4, y=TOP + 4, text_anchor="end"))
    return element("svg", *drawn, class_="plot square", viewBox=f"0 0 {SQUARE} {TOP + side + 26}", role="img", aria_label=said)


def interval(low: float, estimate: float, high: float, scale: tuple[float, float], tone: str, said: str) -> Markup:
    """An estimate between its ends on a scale (from, to) that rows share, with the line of no effect."""

    def at(value: float) -> str:
        return f"{100 * (value - scale[0]) / ((scale[1] - scale[0]) or 1):.2f}%"

    zero = element("line", class_="zero", x1=at(0), x2=at(0), y1=0, y2="100%")
    reach = element("line", class_=f"range {tone}", x1=at(low), x2=at(high), y1="50%", y2="50%")
    dot = element("circle", class_=tone, cx=at(estimate), cy="50%", r=5)
    return element("svg", element("title", said), zero, reach, dot, class_="interval", role="img", aria_label=said)


def scale_of(values: Sequence[float]) -> tuple[float, float]:
    """A scale that holds the values and zero, with some air at both ends."""
    low, high = min([*values, 0.0]), max([*values, 0.0])
    air = (high - low) * 0.06 or 1.0
    return low - air, high + air


def _path(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
