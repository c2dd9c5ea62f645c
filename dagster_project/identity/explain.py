"""Why two records are one customer, or are not: the path of evidence between them and what each comparison said."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from dagster_project.identity.clustering import CUT
from dagster_project.identity.normalise import normalise
from dagster_project.identity.resolve import MODEL_RULE, Resolution
from dagster_project.identity.splink_model import weigh

# An exact rule outweighs any score of the model when the strongest path is looked for.
EXACT_STRENGTH = 1_000.0


@dataclass(frozen=True)
class Step:
    """One link of the path: its rule, for the model its weight (log2) and the part of each comparison, strongest first."""

    record_a: str
    record_b: str
    rule: str
    match_weight: float | None
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Explanation:
    """Two records, whether they are one customer, the strongest path between them (empty when apart), and the two side by side."""

    record_a: str
    record_b: str
    is_same: bool
    path: tuple[Step, ...]
    direct: Step | None

    def text(self) -> str:
        """A few lines a person can read, with a bar per comparison."""
        lines = [f"{self.record_a} and {self.record_b} are {'one customer' if self.is_same else 'two customers'}."]
        for number, step in enumerate(self.path, 1):
            lines.append(f"{number}. {step.record_a} - {step.record_b}: {_reason(step)}")
            lines.extend(_bars(step))
        pairs = {frozenset((step.record_a, step.record_b)) for step in self.path if step.rule == MODEL_RULE}
        if self.direct and frozenset((self.record_a, self.record_b)) not in pairs:
            lines.append(f"Compared directly: {_reason(self.direct)}")
            lines.extend(_bars(self.direct))
        return "\n".join(lines)


def explain(
    records: pa.Table, model: str | None, resolution: Resolution, record_a: str, record_b: str, default_country: str = "GB"
) -> Explanation:
    """Explain the two records. Raises KeyError with the id when a record is not among `records`."""
    cluster_of = dict(zip(resolution.clusters["record_id"].to_pylist(), resolution.clusters["cluster_id"].to_pylist(), strict=True))
    for record in (record_a, record_b):
        if record not in cluster_of:
            raise KeyError(record)
    is_same = cluster_of[record_a] == cluster_of[record_b]
    steps = _steps(resolution.edges, cluster_of, cluster_of[record_a]) if is_same else []
    direct = None
    if model is not None and record_a != record_b:
        with duckdb.connect() as con:
            normalise(con, records, default_country)
            weighed = weigh(con, model, keep_weight=None, pair=(record_a, record_b))
        direct = next((_step({**row, "rule": MODEL_RULE}) for row in weighed.to_pylist()), None)
    return Explanation(record_a, record_b, is_same, tuple(_strongest_path(steps, record_a, record_b)), direct)


def _step(row: dict[str, object]) -> Step:
    parts = [(name.removeprefix("weight_"), float(str(value))) for name, value in row.items() if name.startswith("weight_") and value]
    parts.sort(key=lambda part: (-abs(part[1]), part[0]))
    weight = row.get("match_weight")
    return Step(str(row["record_a"]), str(row["record_b"]), str(row["rule"]), None if weight is None else float(str(weight)), tuple(parts))


def _steps(edges: pa.Table, cluster_of: dict[str, str], cluster: str) -> list[Step]:
    """The edges inside the cluster."""
    inside = [
        cluster_of.get(a) == cluster == cluster_of.get(b)
        for a, b in zip(edges["record_a"].to_pylist(), edges["record_b"].to_pylist(), strict=True)
    ]
    return [_step(row) for row in edges.filter(pa.array(inside, pa.bool_())).to_pylist()]


def _strongest_path(steps: list[Step], start: str, end: str) -> list[Step]:
    """The path whose weakest step is strongest; among those the shortest, then the first by name."""
    around: dict[str, list[tuple[float, str, Step]]] = {}
    for step in steps:
        strength = EXACT_STRENGTH if step.match_weight is None else step.match_weight
        around.setdefault(step.record_a, []).append((strength, step.record_b, step))
        around.setdefault(step.record_b, []).append((strength, step.record_a, step))
    queue: list[tuple[float, int, str, int, list[Step]]] = [(-float("inf"), 0, start, 0, [])]
    seen: set[str] = set()
    pushed = 0
    while queue:
        weakest, hops, record, _, path = heapq.heappop(queue)
        if record == end:
            return path
        if record in seen:
            continue
        seen.add(record)
        for strength, other, step in sorted(around.get(record, []), key=lambda found: (-found[0], found[1], found[2].rule)):
            if other not in seen:
                pushed += 1
                heapq.heappush(queue, (max(weakest, -strength), hops + 1, other, pushed, [*path, step]))
    return []


def _reason(step: Step) -> str:
    if step.match_weight is None:
        return f"the same {step.rule.replace('_', ' ')} (exact rule)"
    verdict = "enough on its own" if step.match_weight >= CUT else "not enough on its own"
    return f"weight {step.match_weight:+.1f}, {verdict} (a merge needs {CUT:+.1f} on average)"


def _bars(step: Step) -> list[str]:
    return [
        f"     {name.replace('_', ' '):14}{weight:+6.1f} {('+' if weight > 0 else '-') * min(round(abs(weight)), 24)}"
        for name, weight in step.parts
    ]
