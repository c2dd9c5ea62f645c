"""Drawing and choosing, without a store: texts are escaped, parts add up, six mails are unlike one another."""

from datetime import datetime
from xml.etree import ElementTree

import duckdb
import pytest

from dagster_project.measurement.report import drawing, wording
from dagster_project.measurement.report.mails import Kind, diverse
from dagster_project.measurement.report.people import as_script
from dagster_project.measurement.report.results import Result
from dagster_project.measurement.report.scores import MOVERS, Estimate, measures_of

HOSTILE = '"><script>alert(1)</script>'


@pytest.mark.parametrize(
    "drawn",
    [
        drawing.bar([drawing.Part(1, HOSTILE, "main")]),
        drawing.sparkline([1, 2, 3], HOSTILE),
        drawing.columns([1, 0, 3], [HOSTILE, "b"], HOSTILE, [HOSTILE] * 3, (0.5, HOSTILE)),
        drawing.lines([(HOSTILE, [(0, 0), (1, 1)])], HOSTILE, HOSTILE, HOSTILE),
        drawing.interval(-1, 0, 1, (-2, 2), "calm", HOSTILE),
    ],
    ids=["bar", "sparkline", "columns", "lines", "interval"],
)
def test_whatever_a_label_says_it_stays_a_text(drawn: str) -> None:
    root = ElementTree.fromstring(drawn)
    assert not list(root.iter("script"))
    assert root.attrib["aria-label"]


def test_the_parts_of_a_bar_lie_side_by_side_and_fill_it() -> None:
    root = ElementTree.fromstring(drawing.bar([drawing.Part(30, "a", "good"), drawing.Part(0, "b", "wait"), drawing.Part(70, "c", "bad")]))
    assert [(rect.attrib["class"], rect.attrib["x"], rect.attrib["width"]) for rect in root.iter("rect")] == [
        ("good", "0.00%", "30.00%"),
        ("bad", "30.00%", "70.00%"),
    ]


def test_empty_and_flat_numbers_are_drawn_too() -> None:
    assert drawing.sparkline([], "nothing") == ""
    assert 'cy="15.0"' in drawing.sparkline([5, 5, 5], "always five")
    ElementTree.fromstring(drawing.columns([0, 0], ["a", "b"], "none"))
    ElementTree.fromstring(drawing.bar([]))


def test_an_interval_shows_no_effect_where_it_is() -> None:
    root = ElementTree.fromstring(drawing.interval(1, 2, 3, (-4, 4), "good", "more"))
    zero, reach = root.findall("line")
    assert (zero.attrib["x1"], reach.attrib["x1"], reach.attrib["x2"]) == ("50.00%", "62.50%", "87.50%")


def test_nothing_said_is_no_sentence() -> None:
    assert [wording.sentence(text) for text in ("too few", "Enough.", " ")] == ["Too few.", "Enough.", ""]


def test_an_interval_that_was_not_worked_out_is_not_shown() -> None:
    assert Estimate("auc", 0.851, 0.851, 0.851).interval == ""
    assert Estimate("auc", 0.81, 0.8, 0.82).interval == "95 % interval 0.800 to 0.820"


def test_a_script_cannot_end_within_the_data() -> None:
    assert "</script" not in as_script({"name": "</script><b>"})


def test_the_mails_shown_are_unlike_one_another() -> None:
    def kind(campaign: str, language: str, has_name: bool, day: int) -> Kind:
        return Kind(campaign, "one", "a", language, has_name, datetime(2026, 3, day), f"c{day}", "")

    many = [kind("win_back", "de", True, day) for day in range(1, 9)]
    rare = [kind("cart", "en", False, 1), kind("win_back", "fr", True, 1)]
    chosen = diverse(many + rare, 3)
    assert set(rare) < set(chosen)
    assert diverse(rare + many[::-1], 3) == chosen, "whatever order they come in"
    assert next(one for one in chosen if one.language == "de").as_of == datetime(2026, 3, 8), "the newest of its kind"


def test_metrics_are_read_part_by_part_and_a_line_only_where_it_is_one() -> None:
    measures = measures_of(
        """{
            "measures": {"auc": [0.8, 0.7, 0.9]}, "gains": {"log_loss": [-0.2, -0.3, -0.1]},
            "curves": {"lift": [[0, 0], [1, 1]], "jagged": [[1, 0], [0, 1]]}, "drivers": {"recency_days": 0.1, "noise": -0.01}
        }"""
    )
    assert [(number.name, number.estimate) for number in measures.numbers] == [("auc", 0.8)]
    assert [(gain.name, gain.tone) for gain in measures.gains] == [("log_loss", "good")]
    assert [curve.name for curve in measures.curves] == ["lift"]
    assert measures.drivers == (("recency_days", 0.1),), "what the order does not miss is no driver"
    assert measures_of(None) == measures_of("{}")


@pytest.mark.parametrize(
    ("holdout", "low", "high", "verdict", "roi"),
    [
        (200, 0.5, 2.0, "more than without the mail", 900.0),
        (200, -2.0, -0.5, "less than without the mail", 900.0),
        (200, -1.0, 1.0, "cannot be told from no effect", None),
        (8, -2.0, -0.5, "only 8 held out, too few to tell", None),
        (None, None, None, "no holdout to compare with", None),
    ],
)
def test_a_lift_is_called_an_effect_and_has_a_return_only_when_it_is_one(
    holdout: int | None, low: float | None, high: float | None, verdict: str, roi: float | None
) -> None:
    unknown = {
        "measured": None,
        "delivered": None,
        "opens": None,
        "clicks": None,
        "conversions": 1,
        "revenue": None,
        "cost": None,
        "holdout_conversions": None,
        "roi": 900.0,
    }
    result = Result("c", "s", "a", sent=1000, holdout=holdout, lift=low, lift_low=low, lift_high=high, **unknown)
    assert result.verdict[0] == verdict
    assert result.told_roi == roi


@pytest.mark.parametrize(
    ("name", "said"), [("auc", "AUC"), ("churn_auc", "AUC"), ("next_order_log_loss", "log-loss"), ("wait_log_loss", "log-loss of the wait")]
)
def test_a_measure_is_called_by_its_name_whatever_the_model(name: str, said: str) -> None:
    assert Estimate(name, 0.8, 0.7, 0.9).measure == said


def test_a_name_within_a_sentence_keeps_what_is_written_large() -> None:
    assert wording.title("vip", begins=False) == "VIP"
    assert wording.title("win_back", begins=False) == "win back"
    assert wording.title("win_back") == "Win back"


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (998, 1000, "99.8 %"),
        (1, 3, "33 %"),
        (1, 100_000, "< 0.1 %"),
        (99_999, 100_000, "> 99.9 %"),
        (0, 0, "–"),
    ],
)
def test_a_share_never_rounds_to_all_or_nothing(part: int, whole: int, said: str) -> None:
    assert wording.share(part, whole) == said


def test_who_moved_most_comes_first_with_the_strongest_reason() -> None:
    with duckdb.connect() as store:
        store.execute("create schema scores")
        store.execute("create table scores.customer_scores (as_of timestamp, customer_id varchar, churn_probability double)")
        store.execute(
            "create table scores.score_reasons (as_of timestamp, customer_id varchar, score varchar, rank integer, reason varchar)"
        )
        for day, near, far, still in (("2026-03-01", 0.2, 0.2, 0.5), ("2026-03-08", 0.3, 0.9, 0.51)):
            rows = [(day, "near", near), (day, "far", far), (day, "still", still)]
            store.executemany("insert into scores.customer_scores values (?, ?, ?)", rows)
        store.execute("insert into scores.score_reasons values ('2026-03-08', 'far', 'churn_probability', 1, 'no order for long')")
        moved = store.execute(MOVERS.format(since="2026-03-01"), {"as_of": datetime(2026, 3, 8)}).fetchall()
    assert moved == [("far", 0.2, 0.9, "no order for long"), ("near", 0.2, 0.3, "")]
