"""Why two records are one customer, or are not: the path of evidence between them and what each comparison said."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.clustering import CUT, Cut
from dagster_project.identity.comparing import MODEL_RULE
from dagster_project.identity.link_lists import Decision
from dagster_project.identity.normalise import normalise
from dagster_project.identity.weighing import weigh

# An exact rule outweighs any score of the model when the strongest path is looked for.
EXACT_STRENGTH = 1_000.0
# What a weight has beside its comparisons, so that the parts add up to it.
AGAINST = "others alike"


@dataclass(frozen=True)
class Step:
    """One link of the path: its rule, for the model its weight (log2) and the part of each comparison, strongest first, which add up to it with
    the last: how many pairs are alike without being one person."""

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
    apart: tuple[Decision, ...] = ()
    cut: Cut = CUT

    def text(self) -> str:
        """A few lines a person can read, with a bar per comparison."""
        lines = [f"{self.record_a} and {self.record_b} are {'one customer' if self.is_same else 'two customers'}."]
        lines += [f"Kept apart: {' and '.join(one.pair)} were unlinked by {one.by} from {one.day} on: {one.why}" for one in self.apart]
        for number, step in enumerate(self.path, 1):
            lines.append(f"{number}. {step.record_a} - {step.record_b}: {_reason(step, self.cut)}")
            lines.extend(_bars(step))
        pairs = {frozenset((step.record_a, step.record_b)) for step in self.path if step.rule == MODEL_RULE}
        if self.direct and frozenset((self.record_a, self.record_b)) not in pairs:
            lines.append(f"Compared directly: {_reason(self.direct, self.cut)}")
            lines.extend(_bars(self.direct))
        return "\n".join(lines)

    def svg(self) -> str:
        """The same as a picture: the records of the path from top to bottom, between them the rule, or a bar per comparison."""
        steps = list(self.path) or ([self.direct] if self.direct else [])
        parts, y = [], 40
        records = [self.record_a]
        for step in steps:
            records.append(step.record_b if step.record_a == records[-1] else step.record_a)
        if len(records) == 1:
            records.append(self.record_b)
        for number, record in enumerate(records):
            parts.append(f'<rect x="20" y="{y - 18}" width="600" height="26" rx="5" fill="#eef2f7" stroke="#8fa3bf"/>')
            parts.append(f'<text x="32" y="{y}">{escape(record)}</text>')
            y += 30
            if number == len(records) - 1:
                break
            reason = _reason(steps[number], self.cut) if steps else "nothing found that links them"
            parts.append(f'<text x="48" y="{y}" fill="#555">{escape(reason)}</text>')
            y += 20
            for name, weight in steps[number].parts if steps else ():
                width, color = min(abs(weight), 24) * 8, "#2f855a" if weight > 0 else "#c05621"
                start = 330 if weight > 0 else 330 - width
                parts.append(f'<text x="48" y="{y}" fill="#333">{escape(name.replace("_", " "))} {weight:+.1f}</text>')
                parts.append(f'<rect x="{start:.0f}" y="{y - 11}" width="{width:.0f}" height="12" fill="{color}"/>')
                y += 18
            y += 14
        verdict = "one customer" if self.is_same else "two customers"
        head = f'<text x="20" y="16" font-weight="bold">{verdict}</text>'
        body = "\n".join([head, *parts])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{y}" font-family="sans-serif" font-size="13">\n{body}\n</svg>\n'
        )


def explain(
    edges: pa.Table,
    cluster_of: dict[str, str],
    record_a: str,
    record_b: str,
    direct: Step | None = None,
    decisions: Sequence[Decision] = (),
    cut: Cut = CUT,
) -> Explanation:
    """Explain two records from the edges between all of them (see `compare`), each record's cluster, and what people decided.

    Raises KeyError with the id when a record is not in `cluster_of`.
    """
    for record in (record_a, record_b):
        if record not in cluster_of:
            raise KeyError(record)
    is_same = cluster_of[record_a] == cluster_of[record_b]
    steps = _steps(edges, cluster_of, cluster_of[record_a]) if is_same else []
    steps += [Step(*one.pair, f"linked by {one.by}: {one.why}", None, ()) for one in decisions if one.verdict == "link"]
    apart = [
        one
        for one in decisions
        if one.verdict == "unlink" and {cluster_of.get(r) for r in one.pair} <= {cluster_of[record_a], cluster_of[record_b]}
    ]
    path = _strongest_path(steps, record_a, record_b) if is_same else []
    return Explanation(record_a, record_b, is_same, tuple(path), direct, tuple(apart) if not is_same else (), cut)


def compared_directly(statements: pa.Table, model: str | None, record_a: str, record_b: str, default_country: str) -> Step | None:
    """What the model says of two records alone: the best weight among their statements; None without a model."""
    if model is None or record_a == record_b:
        return None
    of_both = statements if "owner" in statements.column_names else statements.append_column("owner", statements["record_id"])
    wanted = pc.is_in(of_both["owner"], pa.array([record_a, record_b], pa.string()))
    with duckdb.connect() as con:
        normalise(con, of_both.filter(wanted), default_country)
        weigh(con, model, keep_weight=None, pair=(record_a, record_b))
        weighed = con.execute("select * from weighed").to_arrow_table()
    rows = sorted(weighed.to_pylist(), key=lambda row: (-row["match_weight"], row["known_at"]))
    return next((_step({**row, "rule": MODEL_RULE}) for row in rows), None)


def _step(row: dict[str, object]) -> Step:
    parts = [(name.removeprefix("weight_"), float(str(value))) for name, value in row.items() if name.startswith("weight_") and value]
    parts.sort(key=lambda part: (-abs(part[1]), part[0]))
    weight = None if row.get("match_weight") is None else float(str(row["match_weight"]))
    if weight is not None:
        # Few pairs are one person, and a relative or a namesake would look alike too: the weight is the lowest of three (docs/identity.md).
        parts.append((AGAINST, weight - sum(value for _, value in parts)))
    return Step(str(row["record_a"]), str(row["record_b"]), str(row["rule"]), weight, tuple(parts))


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
                along = replace(step, record_a=record, record_b=other)
                heapq.heappush(queue, (max(weakest, -strength), hops + 1, other, pushed, [*path, along]))
    return []


def _reason(step: Step, cut: Cut) -> str:
    if step.match_weight is None:
        return step.rule.replace("_", " ") if " by " in step.rule else f"{step.rule.replace('_', ' ')} (exact rule)"
    if step.match_weight < 0:
        return f"unlike, weight {step.match_weight:+.1f}, speaks against a merge (which needs {cut})"
    verdict = "enough on its own" if step.match_weight >= cut.weight else "not enough on its own"
    return f"alike, weight {step.match_weight:+.1f}, {verdict} (a merge needs {cut})"


def _bars(step: Step) -> list[str]:
    return [
        f"     {name.replace('_', ' '):14}{weight:+6.1f} {('+' if weight > 0 else '-') * min(round(abs(weight)), 24)}"
        for name, weight in step.parts
    ]
