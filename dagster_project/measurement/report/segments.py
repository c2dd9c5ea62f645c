"""Segments: how large, and who came and went over the built days."""

from dataclasses import dataclass

from dagster_project.delivery.feeds import segment_descriptions
from dagster_project.measurement.report.reading import Reading
from dagster_project.transform.dbt_build import parse

DAYS = "select segment, as_of, members_count, entered_count, exited_count from measurement.report_segment_days order by segment, as_of"
CLUSTERS = "select cluster, description from scores.clusters where as_of = $as_of order by cluster"


@dataclass(frozen=True)
class Segment:
    """A segment on the newest day; `sizes` has one number per built day. Nobody counts as entered on the first of them."""

    name: str
    description: str
    size: int
    sizes: tuple[int, ...]
    entered: int
    exited: int
    entered_since_first: int
    exited_since_first: int


def read_segments(reading: Reading) -> tuple[Segment, ...]:
    """The segments, largest first; none where the store has no segment days."""
    if not reading.has("measurement.report_segment_days"):
        return ()
    clusters = [(str(name), str(told)) for name, told in reading.rows(CLUSTERS)] if reading.has("scores.clusters") else []
    descriptions = segment_descriptions(parse().nodes, clusters)
    by_segment: dict[str, dict[object, tuple[int, int, int]]] = {name: {} for name in descriptions}
    for name, as_of, members, entered, exited in reading.rows(DAYS):
        by_segment.setdefault(name, {})[as_of] = (members, entered, exited)
    segments = []
    for name, days in by_segment.items():
        moves = [days.get(day, (0, 0, 0)) for day in reading.days]
        since = moves[1:]
        segments.append(
            Segment(
                name,
                descriptions.get(name, ""),
                moves[-1][0],
                tuple(members for members, _, _ in moves),
                since[-1][1] if since else 0,
                since[-1][2] if since else 0,
                sum(entered for _, entered, _ in since),
                sum(exited for _, _, exited in since),
            )
        )
    return tuple(sorted(segments, key=lambda segment: (-segment.size, segment.name)))
