"""Canonical forms of a record's identifying fields, used for matching and nowhere else.

    records (roles as they came)  ->  normalised (one row per record, same record_id, canonical columns)

What a person is shown or mailed is never taken from here: gmail dots are dropped, names lose case and accents, a birth
date may be text that is no date. One SQL statement in DuckDB, so a million records take seconds; phone numbers follow the
dialling metadata of `phonenumbers` (country code, national prefix) without one Python call a number.
"""

from __future__ import annotations

import unicodedata

import duckdb
import numpy as np
import phonenumbers
import pyarrow as pa

from dagster_project.dbt_vars import dbt_vars
from dagster_project.identity.nicknames import nicknames

ROLES = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "email",
    "phone",
    "street",
    "city",
    "postcode",
    "country",
    "national_id",
    "other",
)

# Abbreviation -> word, as whole words of a street line. Only forms that mean one thing.
STREET_WORDS = {
    "st": "street",
    "str": "street",
    "strasse": "street",
    "rd": "road",
    "ave": "avenue",
    "av": "avenue",
    "aven": "avenue",
    "dr": "drive",
    "drv": "drive",
    "ln": "lane",
    "ct": "court",
    "crt": "court",
    "pl": "place",
    "plc": "place",
    "sq": "square",
    "blvd": "boulevard",
    "cres": "crescent",
    "cr": "crescent",
    "cct": "circuit",
    "tce": "terrace",
    "terr": "terrace",
    "ter": "terrace",
    "hwy": "highway",
    "pde": "parade",
    "cl": "close",
    "gdns": "gardens",
    "gr": "grove",
    "pkwy": "parkway",
    "apt": "apartment",
    "apmt": "apartment",
    "fl": "floor",
    "n": "north",
    "s": "south",
    "e": "east",
    "w": "west",
}

# Consonants that people write once or twice.
DOUBLED = "bdfglmnprst"

# Mailboxes of a firm's, not a person's.
ROLE_MAILBOXES = (
    "accounts|admin|administration|billing|bestellung|buchhaltung|buero|compras|comptabilite|contact|contacto|contatti|einkauf|hello|help|info|"
    "invoices?|kontakt|mail|office|orders?|post|rechnung|sales|secretariat|service|shop|support|team|ventas|vertrieb|verwaltung|zentrale"
)
# Domains whose mailboxes ignore dots, and domains known by two names.
_EMAIL_SQL = """
    case
        when email_raw not like '%_@_%' then email_raw
        when domain in ('gmail.com', 'googlemail.com')
            then replace(split_part(mailbox, '+', 1), '.', '') || '@gmail.com'
        else split_part(mailbox, '+', 1) || '@' || domain
    end
"""


def _plain(column: str) -> str:
    """SQL: a value as text, trimmed, a number without a trailing `.0`."""
    text = f'trim(cast("{column}" as varchar))'
    return f"case when {text} like '%.0' then regexp_replace({text}, '^(\\d+)\\.0$', '\\1') else {text} end"


def _text(column: str) -> str:
    """SQL: lower case without accents, every run of characters that are no letter one space; null when nothing is left."""
    lowered = f"lower(strip_accents({column}))"
    for letter, written in (("ß", "ss"), ("æ", "ae"), ("ø", "o"), ("ł", "l"), ("œ", "oe")):
        lowered = f"replace({lowered}, '{letter}', '{written}')"
    cleaned = f"nullif(trim(regexp_replace(regexp_replace({lowered}, '[''’`.]', '', 'g'), '[^\\p{{L}}]+', ' ', 'g')), '')"
    return f"case when regexp_full_match(lower({column}), '[a-z]+( [a-z]+)*') then lower({column}) else {cleaned} end"


def _words(column: str) -> str:
    """SQL: like `_text`, and digits stay."""
    lowered = f"replace(lower(strip_accents({column})), 'ß', 'ss')"
    cleaned = f"nullif(trim(regexp_replace({lowered}, '[^\\p{{L}}0-9]+', ' ', 'g')), '')"
    return f"case when regexp_full_match(lower({column}), '[a-z0-9]+( [a-z0-9]+)*') then lower({column}) else {cleaned} end"


def _skeleton(column: str) -> str:
    """SQL: first letter and the consonants after it, doubled ones once: `katherine` -> `ktrn`, a blocking key for typos."""
    sounds = f"replace(replace(replace(replace(replace({column}, 'ph', 'f'), 'ck', 'k'), 'c', 'k'), 'z', 's'), 'h', '')"
    consonants = f"{sounds}[1] || regexp_replace({sounds}[2:], '[aeiouy ]', '', 'g')"
    once = consonants
    for letter in DOUBLED:
        once = f"replace({once}, '{letter * 2}', '{letter}')"
    is_doubled = f"regexp_matches({consonants}, '{'|'.join(letter * 2 for letter in DOUBLED)}')"
    return f"nullif(case when {is_doubled} then {once} else {consonants} end, '')"


def _birth_date(column: str, day_first: bool) -> str:
    """SQL: `yyyymmdd` where the text is a date in a common form, else its digits (a wrong date still compares digit by digit)."""
    slashed = ["%d/%m/%Y", "%m/%d/%Y"] if day_first else ["%m/%d/%Y", "%d/%m/%Y"]
    formats = ["%Y-%m-%d", "%Y%m%d", "%Y/%m/%d", *slashed, "%d.%m.%Y", slashed[0].replace("/", "-"), "%d %b %Y", "%d %B %Y", "%b %d, %Y"]
    listed = ", ".join(f"'{form}'" for form in formats)
    text = f"trim(split_part(split_part({column}, 'T', 1), ' 00:', 1))"
    parsed = f"coalesce(strftime(try_strptime({text}, [{listed}]), '%Y%m%d'), nullif(regexp_replace({text}, '[^0-9]', '', 'g'), ''))"
    return f"case when regexp_full_match({column}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') then replace({column}, '-', '') else {parsed} end"


def country_names() -> dict[str, str]:
    """The region (ISO 3166) of each name of a country, in plain letters."""
    return {plain_letters(name): code for code, names in dbt_vars()["countries"].items() for name in names}


def _country() -> str:
    """SQL: the region that `country` names, or its text in capitals."""
    countries = " ".join(f"when '{name}' then '{code}'" for name, code in sorted(country_names().items()))
    return f"case {_words('country')} {countries} else upper(country) end"


def _dialling(regions: set[str]) -> pa.Table:
    """One row per region that phonenumbers knows: region, its country calling code, and the prefix dropped in international form."""
    rows = []
    # Reading what it knows of all the world takes longer than a day's records do.
    for region in sorted(regions & phonenumbers.SUPPORTED_REGIONS):
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            continue
        prefix = metadata.national_prefix or ""
        rows.append({"region": region, "calling_code": str(metadata.country_code), "trunk": prefix})
    return pa.Table.from_pylist(rows, pa.schema([(column, pa.string()) for column in ("region", "calling_code", "trunk")]))


def _day_first(con: duckdb.DuckDBPyConnection) -> bool:
    """Whether `a/b/yyyy` means day first in this file: false only if some second part, and no first part, is above 12."""
    parts = con.execute(
        """
        select
            coalesce(max(try_cast(regexp_extract(birth_date, '^(\\d{1,2})[/-](\\d{1,2})[/-]\\d{4}', 1) as int)), 0),
            coalesce(max(try_cast(regexp_extract(birth_date, '^(\\d{1,2})[/-](\\d{1,2})[/-]\\d{4}', 2) as int)), 0)
        from raw_records
        """
    ).fetchone()
    assert parts is not None
    return not (parts[1] > 12 >= parts[0])


def normalise(
    con: duckdb.DuckDBPyConnection,
    records: pa.Table,
    default_country: str = "GB",
    day_first: bool | None = None,
    first_position: int = 0,
    into: str = "normalised",
) -> list[str]:
    """Write table `into` (temporary, unless it names a schema; one row per record) on `con`; return its further columns.

    `records` has record_id (unique text), optionally known_at (timestamp), source and owner (the record this row is one statement of,
    where a record has several; else itself), any of ROLES, and any further text column, which is kept trimmed and lower-cased under
    its own name (vendor ids, logins; `other_2`, ...). `position` counts the rows from `first_position`. Numbers lose a trailing `.0` (a
    spreadsheet's postcode). Whether `3/4/1980` has the day first is read from the records where `day_first` does not say it. Raises ValueError
    on a missing or repeated record_id.
    """
    if "record_id" not in records.column_names:
        raise ValueError("records need a column record_id")
    row = np.arange(records.num_rows)
    con.register("incoming_records", records.append_column("position", pa.array(row)))
    names = set(records.column_names)
    extra = sorted(names - set(ROLES) - {"record_id", "known_at", "source", "owner"})
    columns = ["cast(record_id as varchar) as record_id"]
    columns.append("cast(known_at as timestamp) as known_at" if "known_at" in names else "timestamp '1970-01-01' as known_at")
    columns.append("cast(source as varchar) as source" if "source" in names else "null::varchar as source")
    columns.append(f"cast({'owner' if 'owner' in names else 'record_id'} as varchar) as owner")
    for role in (*ROLES, *extra):
        columns.append(f"nullif({_plain(role)}, '') as \"{role}\"" if role in names else f"null::varchar as {role}")
    con.execute(f"create or replace temp view raw_records as select {', '.join(columns)}, position from incoming_records")
    # Sorted without the texts: a sort carries along all that it is given.
    first_known = con.execute("select position from raw_records order by known_at, record_id").fetchnumpy()["position"]
    row[first_known] = np.arange(first_position, first_position + len(row))
    con.register("incoming_records", records.append_column("position", pa.array(row)))
    rows, ids = con.execute("select count(*), count(distinct record_id) from raw_records").fetchone() or (0, 0)
    if rows != ids:
        raise ValueError(f"record_id must be unique and present: {rows} rows, {ids} ids")
    con.execute("create or replace temp table name_roots (form varchar, roots varchar[])")
    forms: dict[str, list[str]] = {}
    for form, full in nicknames():
        forms.setdefault(form, [form]).append(full)
    con.register("forms", pa.table({"form": list(forms), "roots": list(forms.values())}))
    con.execute("insert into name_roots select form, roots from forms")
    spelled = con.execute(f"select distinct {_country()} from (select distinct country from raw_records)").fetchall()
    con.register("dialling", _dialling({default_country.upper(), *(region for (region,) in spelled)}))
    is_day_first = _day_first(con) if day_first is None else day_first
    con.execute(_statement(into, extra, default_country.upper(), is_day_first))
    con.execute("drop view raw_records; drop table name_roots")
    for view in ("incoming_records", "dialling", "forms"):
        con.unregister(view)
    return extra


def plain_letters(name: str) -> str:
    """A name as `_words` gives it: letters without accents, words one space apart."""
    letters = (one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    return " ".join("".join(one if one.isalnum() else " " for one in letters).split())


def _statement(into: str, extra: list[str], default_country: str, day_first: bool) -> str:
    """The one statement of `normalise`: cleaned text, then names and mailboxes split, then keys that use several columns."""
    kept = "".join(f", nullif({_words(column)}, '') as {column}" for column in ("other", *extra))
    carried = "".join(f", {column}" for column in ("other", *extra))
    street = "' ' || street_text || ' '"
    for short, word in sorted(STREET_WORDS.items()):
        street = f"replace({street}, ' {short} ', ' {word} ')"
    is_short = f"regexp_matches(street_text, '(?:^| )(?:{'|'.join(STREET_WORDS)})(?: |$)')"
    # An address that lost its provider still names its mailbox.
    has_mailbox = "email_raw like '%_@%'"
    of_a_firm = f"{has_mailbox} and regexp_full_match(split_part(mailbox, '+', 1), '{ROLE_MAILBOXES}')"
    particles = "(?:(?:van|von|de|der|den|da|di|la|le|del|el|al|bin|ten|ter|st) )*"
    family_words = f"(?:^| )({particles}\\S+)$"
    title = "^((mr|mrs|ms|miss|mx|dr|prof|sir|herr|frau|mme|mlle) )+"
    # What follows a whole name, with a comma or without: Smith, John is a name turned round, John Smith, Jr is not.
    suffix = "(jr|jnr|sr|snr|ii|iii|iv|esq|phd|md|obe|mbe|cbe|[0-9]+(st|nd|rd|th) .*)"
    after_comma = "lower(trim(replace(split_part(full_name, ',', 2), '.', '')))"
    unturned = _text(f"case when regexp_full_match({after_comma}, '{suffix}') then split_part(full_name, ',', 1) else full_name end")
    return f"""
    create or replace {"" if "." in into else "temp "}table {into} as
    with

    cleaned as (
        select
            position,
            record_id,
            known_at,
            source,
            owner,
            regexp_replace({_text("given_name")}, '{title}', '') as given_text,
            {_text("family_name")} as family_text,
            case
                when full_name like '%,%' and not regexp_full_match({after_comma}, '{suffix}')
                    then {_text("split_part(full_name, ',', 2) || ' ' || split_part(full_name, ',', 1)")}
                else regexp_replace(regexp_replace({unturned}, '{title}', ''), ' (jr|jnr|sr|snr|ii|iii|iv|esq|phd)$', '')
            end as full_text,
            {_birth_date("birth_date", day_first)} as birth_date,
            nullif(regexp_replace(lower(email), '[\\s<>"]', '', 'g'), '') as email_raw,
            regexp_replace(replace(phone, '(0)', ''), '(?i)(ext|x|#).*$', '') as phone_text,
            regexp_replace({_words("street")}, '([a-z])(strasse|str)( |$)', '\\1 street\\3') as street_text,
            {_words("city")} as city,
            nullif(upper(regexp_replace(postcode, '[^A-Za-z0-9]', '', 'g')), '') as postcode,
            {_country()} as country,
            nullif(upper(regexp_replace(national_id, '[^A-Za-z0-9]', '', 'g')), '') as national_id
            {kept}
        from raw_records
    ),

    parted as (
        select
            *,
            coalesce(
                given_text,
                case
                    when full_text like '% %' then trim(regexp_replace(full_text, '{family_words}', ''))
                    when family_text is null then full_text
                end
            ) as given_found,
            coalesce(
                family_text, case when full_text like '% %' then regexp_extract(full_text, '{family_words}', 1) end
            ) as family_found,
            split_part(email_raw, '@', -1) as domain,
            regexp_replace(email_raw, '@[^@]*$', '') as mailbox,
            string_split(case when {is_short} then trim({street}) else street_text end, ' ') as street_words,
            regexp_replace(phone_text, '[^0-9]', '', 'g') as digits,
            regexp_matches(phone_text, '^\\s*(\\+|00[1-9])') as is_international
        from cleaned
    ),

    placed as (
        select
            parted.*,
            nullif(given_found, '') as given,
            nullif(family_found, '') as family,
            coalesce(own.calling_code, home.calling_code, '') as calling_code,
            coalesce(own.trunk, home.trunk, '') as trunk
        from parted
        left join dialling as own on parted.country = own.region
        left join dialling as home on home.region = '{default_country}'
    )

    select
        record_id,
        known_at,
        source,
        owner,
        given,
        split_part(given, ' ', 1) as given_first,
        case when given is not null then coalesce(name_roots.roots, [split_part(given, ' ', 1)]) end as given_roots,
        family,
        array_to_string(list_sort(string_split(concat_ws(' ', given, family), ' ')), ' ') as name_key,
        {_skeleton("split_part(given, ' ', 1)")} as given_skeleton,
        {_skeleton("family")} as family_skeleton,
        birth_date,
        nullif({_EMAIL_SQL}, '') as email,
        case when {of_a_firm} then '' when {has_mailbox} then split_part(mailbox, '+', 1) end as mailbox,
        case when {of_a_firm} then '' when {has_mailbox} then regexp_replace(split_part(mailbox, '+', 1), '[0-9]', '', 'g') end as mailbox_letters,
        case
            when length(digits) < 6 then null
            when is_international then '+' || ltrim(digits, '0')
            when trunk <> '' and starts_with(digits, trunk) and length(digits) > 7
                then '+' || calling_code || substr(digits, length(trunk) + 1)
            -- 447911123456: a file that keeps numbers as numbers has lost the plus. No country's own numbers are so long.
            when starts_with(digits, calling_code) and length(digits) >= length(calling_code) + 9 then '+' || digits
            else '+' || calling_code || digits
        end as phone,
        nullif(array_to_string(street_words, ' '), '') as street,
        nullif(array_to_string(list_sort(street_words), ' '), '') as street_key,
        city,
        postcode,
        country,
        national_id
        {carried},
        position
    from placed
    left join name_roots on split_part(placed.given, ' ', 1) = name_roots.form
    """
