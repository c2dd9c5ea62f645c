"""A large shop has namesakes: many people of one full name, with alike mailboxes, in one country. What one person's records look like is learned all
the same."""

import json

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from benchmarks.identity import score
from dagster_project.identity import estimation
from dagster_project.identity.normalise import normalise
from dagster_project.identity.patterns import BLOCK_PAIRS, DRAWN_OF_A_VALUE, write_block
from dagster_project.identity.resolve import resolve
from dagster_project.identity.splink_model import train
from dagster_project.identity.weighing import weigh

HOSTS = ("gmail.com", "gmx.de", "web.de", "outlook.com")
SYLLABLES = ("ba", "ke", "lo", "mi", "nu", "ra", "se", "to", "vi", "za")


def word(number: int) -> str:
    return "".join(SYLLABLES[number // 10**place % 10] for place in range(3))


def shop(people: int, names: int, seed: int) -> tuple[pa.Table, dict[str, str]]:
    """Each person in three tools by one mailbox, of which one knows no address; three in ten a second time, by another mailbox."""
    random = np.random.default_rng(seed)
    rows, true, taken = [], {}, set()
    for one in range(people):
        given, family = word(int(random.integers(names))), word(500 + int(random.integers(names)))
        local = (f"{given}.{family}", f"{given}{family}{random.integers(1, 99)}", f"{given[0]}.{family}{random.integers(40, 99)}")[one % 3]

        def mailbox(local: str = local) -> str:
            while (address := f"{local}@{HOSTS[int(random.integers(len(HOSTS)))]}") in taken:
                local += str(random.integers(9))
            taken.add(address)
            return address

        said = {
            "given_name": given, "family_name": family, "postcode": f"{random.integers(10_000, 99_999)}", "city": "Berlin", "country": "DE",
            "phone": f"0170{random.integers(1_000_000, 9_999_999)}", "street": f"Ringstrasse {random.integers(1, 140)}",
        }  # fmt: skip
        first, second = mailbox(), mailbox()
        for tool, address in (("a", first), ("b", first), ("c", first), *([("d", second)] if random.random() < 0.3 else [])):
            record = {"record_id": f"{tool}{one}", "source": tool, "email": address, **said}
            if tool == "c":
                record |= dict.fromkeys(("postcode", "city", "street", "phone"))
            if random.random() < 0.5:
                record["phone"] = None
            rows.append(record)
            true[record["record_id"]] = str(one)
    return pa.Table.from_pylist(rows), true


def found(records: pa.Table) -> dict[str, str]:
    clusters = resolve(records, train(records, "DE"), default_country="DE").clusters
    return dict(zip(clusters["record_id"].to_pylist(), clusters["cluster_id"].to_pylist(), strict=True))


@pytest.mark.parametrize("names", [12, 60])
def test_people_are_told_from_their_namesakes(names: int) -> None:
    records, true = shop(4_000, names, seed=5)
    measured = score(found(records), true)
    assert measured["pair_precision"] >= 0.98 and measured["pair_recall"] >= 0.98, measured


def agreeing(model: str) -> dict[str, float]:
    """How often one person's records agree on a field, as a model has learned."""
    comparisons = json.loads(model)["splink"]["comparisons"]
    return {one["output_column_name"]: one["comparison_levels"][1]["m_probability"] for one in comparisons}


def test_what_namesakes_do_is_not_learned_of_one_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here one person's records agree on phone, street and postcode wherever they state them, and on the mailbox in seven of ten pairs."""
    records, _ = shop(4_000, 12, seed=5)
    learned = agreeing(train(records, "DE"))
    assert min(learned[field] for field in ("phone", "street", "place")) > 0.95
    assert learned["email"] > 0.6
    # The control: with the chances of strangers for namesakes these are taken for one person, and teach what one person does.
    monkeypatch.setattr(estimation, "_u_of_others", lambda patterns, weights, index, general, prior: general)
    assert agreeing(train(records, "DE"))["place"] < 0.5


def test_what_many_records_have_is_drawn_from_and_not_left_out() -> None:
    records = pa.Table.from_pylist(
        [{"record_id": str(n), "source": "a", "given_name": "anna" if n < 900 else word(n), "email": f"x{n}@y.de"} for n in range(1_200)]
    )
    with duckdb.connect() as con:
        normalise(con, records, "DE")
        write_block(con, "given", False)
        ((pairs, people),) = con.execute("select count(*), count(distinct left_position) from block_pairs").fetchall()
    assert BLOCK_PAIRS < 900 * 899 // 2
    assert pairs >= DRAWN_OF_A_VALUE * (DRAWN_OF_A_VALUE - 1) // 2
    assert people >= DRAWN_OF_A_VALUE - 1


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ("info@smith-gmbh.example", "nothing"),
        ("office+news@smith.example", "nothing"),
        ("jane.smith@", "something for it"),
        ("peter.miller@web.de", "something against it"),
    ],
)
def test_a_firms_address_says_nothing_and_a_mailbox_without_its_provider_is_one(other: str, says: str) -> None:
    records, _ = shop(600, 30, seed=2)
    model = train(records, "DE")
    assert json.loads(model)["splink"]["comparisons"]
    two = {"given_name": "jane", "family_name": "smith", "postcode": "10115", "city": "Berlin", "country": "DE", "street": "Ringstrasse 1"}
    pair = [
        {"record_id": one, "source": "a", "phone": None, "email": email, **two} for one, email in (("1", "jane.smith@gmx.de"), ("2", other))
    ]
    with duckdb.connect() as con:
        normalise(con, pa.Table.from_pylist(pair, schema=records.schema), "DE")
        weigh(con, model, keep_weight=None, pair=("1", "2"))
        ((weight,),) = con.execute("select weight_email from weighed").fetchall()
    assert {"nothing": weight == 0, "something for it": weight > 3, "something against it": weight < -2}[says], weight
