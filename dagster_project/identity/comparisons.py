"""What two records are compared on: Splink comparisons as data, best level first.

Each function returns one Splink comparison for one kind of field. Levels are plain SQL on the columns of `normalised`
(`<column>_l`, `<column>_r`), so a stored model reads on its own. Term frequencies adjust the exact levels of fields whose
values differ in how common they are: two Smiths say less than two Sondergelds.
"""

from __future__ import annotations

from typing import Any

# However rare a value is, it counts as no rarer than this: one in so many may be a typo.
SMALLEST_SHARE = 1e-5
# Texts with a letter or two wrong are at least so similar (Jaro), but for very short ones.
ALIKE = 0.8
# The e-mail's level `other digits`, counted from 0 = different.
OTHER_DIGITS_LEVEL = 4
OTHER_DIGITS = "regexp_replace(mailbox_l, '[^0-9]', '', 'g') <> regexp_replace(mailbox_r, '[^0-9]', '', 'g')"

Level = dict[str, Any]
Comparison = dict[str, Any]


def _level(condition: str, label: str, term: str | None = None) -> Level:
    level: Level = {"sql_condition": condition, "label_for_charts": label}
    if term:
        level |= {"tf_adjustment_column": term, "tf_adjustment_weight": 1.0, "tf_minimum_u_value": SMALLEST_SHARE}
    return level


def _comparison(name: str, missing: str, levels: list[Level]) -> Comparison:
    """A comparison with its null level first and `all other` last."""
    return {
        "output_column_name": name,
        "comparison_description": name,
        "comparison_levels": [
            {"sql_condition": missing, "label_for_charts": "missing", "is_null_level": True},
            *levels,
            {"sql_condition": "ELSE", "label_for_charts": "different"},
        ],
    }


def _missing(column: str) -> str:
    return f"{column}_l is null or {column}_r is null"


def typo(column: str, edits: int) -> str:
    """At most so many letters wrong; where one is, two neighbours may be swapped instead.

    Edit distances are slow, those that know swaps slowest. Two texts of one size mostly differ in places that can be counted; a distance is asked
    only where letters may have moved, of texts that are alike anyway.
    """
    left, right = f"{column}_l", f"{column}_r"
    wrong = f"mismatches({left}, {right})"
    near = f"abs(strlen({left}) - strlen({right})) <= {edits} and jaro_similarity({left}, {right}) >= {ALIKE}"
    moved = f"when {near} then levenshtein({left}, {right}) <= {edits} else false"
    swapped = f"when {wrong} = 2 then damerau_levenshtein({left}, {right}) <= 1 else false"
    placed = swapped if edits == 1 else moved
    return f"case when strlen({left}) = strlen({right}) then case when {wrong} <= {edits} then true {placed} end {moved} end"


def _similar(left: str, right: str, floor: float) -> str:
    return f"jaro_winkler_similarity({left}, {right}) >= {floor}"


def given_name() -> Comparison:
    """Exact, pet name, swapped with the family name, typo, initial or part, similar, swapped with a typo."""
    initial = (
        "(length(given_first_l) = 1 and starts_with(given_r, given_first_l))"
        " or (length(given_first_r) = 1 and starts_with(given_l, given_first_r))"
        " or (length(given_first_l) > 1 and given_first_l = given_first_r)"
    )
    return _comparison(
        "given_name",
        _missing("given"),
        [
            _level("given_l = given_r", "same", "given"),
            _level("list_has_any(given_roots_l, given_roots_r)", "pet name"),
            _level("given_l = family_r or family_l = given_r", "swapped with family name"),
            _level(f"{_similar('given_l', 'given_r', 0.92)} or (length(given_l) > 2 and {typo('given', 1)})", "typo"),
            _level(initial, "initial or part"),
            _level(_similar("given_l", "given_r", 0.8), "similar"),
            _level(
                f"{_similar('given_l', 'family_r', 0.88)} or {_similar('family_l', 'given_r', 0.88)}",
                "swapped with a typo",
            ),
        ],
    )


def family_name() -> Comparison:
    """Exact, swapped with the given name, typo, one part of a double name, similar, swapped with a typo."""
    part = (
        "list_has_any(string_split(family_l, ' '), string_split(family_r, ' '))"
        " and (family_l like '% %' or family_r like '% %')"
        " or (length(family_l) = 1 and starts_with(family_r, family_l)) or (length(family_r) = 1 and starts_with(family_l, family_r))"
    )
    return _comparison(
        "family_name",
        _missing("family"),
        [
            _level("family_l = family_r", "same", "family"),
            _level("given_l = family_r or family_l = given_r", "swapped with given name"),
            _level(f"{_similar('family_l', 'family_r', 0.92)} or (length(family_l) > 2 and {typo('family', 1)})", "typo"),
            _level(part, "part"),
            _level(_similar("family_l", "family_r", 0.8), "similar"),
            _level(
                f"{_similar('given_l', 'family_r', 0.88)} or {_similar('family_l', 'given_r', 0.88)}",
                "swapped with a typo",
            ),
        ],
    )


def birth_date() -> Comparison:
    """Exact, one digit wrong or day and month swapped, two of year, month and day equal, two digits wrong, same or next year.

    Of a year or an age alone a digit says little, for every fifth pair is one apart; how far apart they are does, and ages grow from file to file.
    """
    swapped = (
        "substr(birth_date_l, 1, 4) = substr(birth_date_r, 1, 4) and substr(birth_date_l, 5, 2) = substr(birth_date_r, 7, 2)"
        " and substr(birth_date_l, 7, 2) = substr(birth_date_r, 5, 2)"
    )
    parts = " + ".join(
        f"(substr(birth_date_l, {start}, {size}) = substr(birth_date_r, {start}, {size}))::int" for start, size in ((1, 4), (5, 2), (7, 2))
    )
    is_whole = "strlen(birth_date_l) > 4 and strlen(birth_date_r) > 4"
    near = (
        "abs(try_cast(substr(birth_date_l, 1, 4) as int) - try_cast(substr(birth_date_r, 1, 4) as int))"
        f" <= case when {is_whole} then 1 else 3 end"
    )
    return _comparison(
        "birth_date",
        _missing("birth_date"),
        [
            _level("birth_date_l = birth_date_r", "same"),
            _level(f"{is_whole} and (({swapped}) or {typo('birth_date', 1)})", "one digit, or day and month swapped"),
            _level(f"{is_whole} and {parts} = 2", "two of year, month, day"),
            _level(f"{is_whole} and {typo('birth_date', 2)}", "two digits"),
            _level(near, "year within one, or year or age alone within three"),
        ],
    )


def email() -> Comparison:
    """Exact, alike but for the digits, typo, same mailbox at another provider, similar mailbox.

    A firm's address (`info@`, whose mailbox is empty in `normalised`) differs from somebody's own without saying anything.
    Digits tell mailboxes of one name apart (`anna.smith12`, `anna.smith31`), so other ones are a level of their own, before typos: what it says is
    learned, and between two who share a name it speaks against.
    """
    numbered = "length(mailbox_letters_l) < length(mailbox_l) and length(mailbox_letters_r) < length(mailbox_r) and mailbox_l <> mailbox_r"
    return _comparison(
        "email",
        f"{_missing('email')} or (email_l <> email_r and (mailbox_l = '' or mailbox_r = ''))",
        [
            _level("email_l = email_r", "same"),
            _level("mailbox_l = mailbox_r and length(mailbox_l) > 4", "same mailbox, other provider"),
            _level(f"{numbered} and {_similar('mailbox_letters_l', 'mailbox_letters_r', 0.8)} and {OTHER_DIGITS}", "other digits"),
            _level(f"{typo('email', 2)}", "typo"),
            _level(f"{_similar('email_l', 'email_r', 0.9)} and {typo('email', 6)}", "several typos"),
            _level(f"{_similar('mailbox_l', 'mailbox_r', 0.88)}", "similar mailbox"),
        ],
    )


def code(column: str, edits: int) -> Comparison:
    """Phone, national id and other numbers: exact, one slip, up to `edits` slips."""
    levels = [_level(f"{column}_l = {column}_r", "same"), _level(typo(column, 1), "one slip")]
    if edits > 1:
        levels.append(_level(typo(column, edits), f"up to {edits} slips"))
    return _comparison(column, _missing(column), levels)


def street() -> Comparison:
    """Exact (in any word order), typo, same words in part, similar."""
    shared = (
        "len(list_intersect(string_split(street_key_l, ' '), string_split(street_key_r, ' ')))"
        " >= 0.6 * greatest(len(string_split(street_key_l, ' ')), len(string_split(street_key_r, ' ')))"
    )
    most = f"case when jaro_similarity(street_key_l, street_key_r) >= 0.65 then {shared} else false end"
    return _comparison(
        "street",
        _missing("street_key"),
        [
            _level("street_key_l = street_key_r", "same"),
            _level(typo("street", 2), "typo"),
            _level(most, "most words"),
            _level(f"{_similar('street_l', 'street_r', 0.85)}", "similar"),
        ],
    )


def place(columns: set[str]) -> Comparison:
    """Postcode, city and country as one comparison, because one follows from the other; levels of the `columns` that the records have."""
    city = f"({typo('city', 1)} or {_similar('city_l', 'city_r', 0.85)})"
    levels = [
        ({"postcode"}, _level("postcode_l = postcode_r", "same postcode", "postcode")),
        ({"postcode", "city"}, _level(f"{typo('postcode', 1)} and {city}", "postcode typo, same city")),
        ({"city"}, _level("city_l = city_r", "same city", "city")),
        ({"postcode"}, _level(typo("postcode", 1), "postcode typo")),
        ({"city"}, _level(city, "city typo")),
        ({"country"}, _level("country_l = country_r", "same country")),
    ]
    return _comparison(
        "place",
        "(postcode_l is null or postcode_r is null) and (city_l is null or city_r is null) and (country_l is null or country_r is null)",
        [level for needed, level in levels if needed <= columns],
    )


def category(column: str) -> Comparison:
    """Any other field: exact, similar."""
    return _comparison(
        column,
        _missing(column),
        [
            _level(f"{column}_l = {column}_r", "same", column),
            _level(f"{_similar(f'{column}_l', f'{column}_r', 0.9)}", "similar"),
        ],
    )
