"""What linking found, as a person looks at it: short tables of counts and a histogram. Customer ids and counts only, no record and no address."""

import base64
import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dagster_project.identity.comparing import MODEL_RULE
from dagster_project.identity.linking import Linked

BIGGEST = 10


def by_size(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))


def tables_of(linked: Linked) -> dict[str, dict[str, str]]:
    """Markdown tables by asset and title."""
    present = linked.customer_links.filter(pc.is_null(linked.customer_links["valid_to"]))
    rules: Counter[str] = Counter(present["rule"].to_pylist())
    sizes: Counter[str] = Counter(present["customer_id"].to_pylist())
    biggest = by_size(sizes)[:BIGGEST]
    cases = linked.clerical_review.filter(pc.equal(linked.clerical_review["place"], 1))
    changes = Counter(zip(linked.merge_log["kind"].to_pylist(), linked.merge_log["because"].to_pylist(), strict=True))
    log = linked.model_log.to_pylist()[0]
    return {
        "customer_links": {
            "records and customers": markdown(("records", "customers"), [(present.num_rows, len(sizes))]),
            "links by rule": markdown(("rule", "records"), by_size(rules)),
            "biggest customers": markdown(("customer", "records"), biggest),
            "records per customer": markdown(("records", "customers"), sorted(Counter(sizes.values()).items())),
        },
        "clerical_review": {"cases by weight": markdown(("weight", "cases"), by_band(cases["match_weight"].to_pylist()))},
        "merge_log": {"merges and splits": markdown(("kind", "because", "times"), [(*what, n) for what, n in sorted(changes.items())])},
        "shared_identifiers": {
            "shared by too many": markdown(
                ("rule", "values", "records"),
                [(rule, len(rows), sum(rows)) for rule, rows in sorted(grouped_rows(linked.shared_identifiers).items())],
            )
        },
        "model_log": {"model": f"{log['status']}: {log['reason']}"},
    }


def by_band(weights: Sequence[float | None]) -> list[tuple[str, int]]:
    """How many weights lie in each band, the lowest first and those without a weight last."""
    return list(Counter(map(band_of, sorted(weights, key=lambda weight: (weight is None, weight or 0.0)))).items())


def band_of(weight: float | None) -> str:
    """The two bits within which a weight lies; a rule's pair that something keeps apart has none."""
    if weight is None:
        return "an exact rule, kept apart"
    low = int(weight // 2) * 2
    return f"{low:+d} to {low + 2:+d}"


def grouped_rows(shared: pa.Table) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for rule, records in zip(shared["rule"].to_pylist(), shared["records"].to_pylist(), strict=True):
        found.setdefault(rule, []).append(records)
    return found


def markdown(header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    lines: list[tuple[object, ...]] = [header, ("---",) * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def probabilities_drawn(edges: pa.Table) -> str:
    """A histogram of the weighed pairs' match probabilities, as a Markdown picture."""
    from matplotlib.figure import Figure

    weighed = edges.filter(pc.and_(pc.equal(edges["rule"], MODEL_RULE), pc.is_null(edges["known_until"])))
    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.hist(weighed["match_probability"].to_numpy(), bins=np.linspace(0, 1, 41).tolist(), color="#3b6ea5")
    axes.set_yscale("log")
    axes.set_xlabel("match probability")
    axes.set_ylabel("pairs")
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=90)
    return f"![match probabilities](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
