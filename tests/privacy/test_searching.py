"""What names a person and what only looks like it, in texts, for Python and DuckDB alike."""

import re

import duckdb
import pytest

from dagster_project.privacy.person import Person
from dagster_project.privacy.traces import condition_of, literal, patterns
from dagster_project.sources.identifiers import Identifier

NEEDLES = ["brien@x.org", "maria@yahoo.com", "sales:a-1", "c0123456789abcdef0123", "+49309018201"]
THEIRS = [
    "maria@yahoo.com",
    "write to maria@yahoo.com.",
    "maria@yahoo.com. thanks",
    "values('maria@yahoo.com')",
    "values('''maria@yahoo.com''')",
    "called 'maria@yahoo.com'",
    "hello\\nmaria@yahoo.com",
    "hello\\u003cmaria@yahoo.com\\u003e",
    "?to=maria@yahoo.com&a=1",
    "back%3dmaria@yahoo.com%26a",
    "\u201emaria@yahoo.com\u201c",
    "\u90ae\u7bb1maria@yahoo.com",
    "\ufffdmaria@yahoo.com\ufffd",
    '"sales:a-1"',
    "sales:a-1/",
    "mails/c0123456789abcdef0123/mail.txt",
    "c0123456789abcdef0123.html",
    "tel:+49309018201",
]
OTHERS = [
    "maria@yahoo.com.br",
    "annamaria@yahoo.com",
    "o'brien@x.org",
    "values('o''brien@x.org')",
    "ren\u00e9brien@x.org",
    "sales:a-1.2",
    "sales:a-1/2",
    "sales:a-12",
    "wholesales:a-1",
    "c0123456789abcdef01234",
    "+493090182011",
]


@pytest.mark.parametrize(("text", "is_theirs"), [*((text, True) for text in THEIRS), *((text, False) for text in OTHERS)])
def test_a_text_names_a_person_whole(text: str, is_theirs: bool) -> None:
    (pattern,) = patterns(NEEDLES)
    assert bool(re.search(pattern, text)) is is_theirs
    (found,) = duckdb.sql(f"select regexp_matches({literal(text)}, {literal(pattern)})").fetchall()
    assert found == (is_theirs,)


def test_a_number_is_not_searched_for_where_things_are_numbered() -> None:
    ann = Person(frozenset({Identifier("login_id", "1000000042")}))
    columns = dict.fromkeys(("order_id", "order_item_id", "user_id", "note"), "VARCHAR")
    condition = condition_of("profile", "fct_orders", columns, ann)
    said = [("1000000042", "", "", ""), ("", "1000000042", "", ""), ("", "", "1000000042", ""), ("", "", "", "login 1000000042.")]
    rows = ", ".join(str(row) for row in said)
    assert duckdb.sql(f"select {condition} from (values {rows}) as t(order_id, order_item_id, user_id, note)").fetchall() == [
        (False,),
        (False,),
        (True,),
        (True,),
    ]
