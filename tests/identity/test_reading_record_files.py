"""Record files as strangers have them, and the maps they write."""

import gzip
from pathlib import Path

import pytest

from benchmarks.identity import main, read_records, region

MAP = "nr: id\nname: full_name\nplace: city\npostcode: postcode\n"
LINES = "nr,who,name,place,postcode\n1,a,José Núñez,Cádiz,01067\n2,a,Jose Nunez,NaN,n/a\n3,b,null,-,01067\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", LINES.encode()),
        ("b.csv", LINES.encode("latin-1")),
        ("c.tsv", LINES.replace(",", "\t").encode()),
        ("d.CSV", LINES.replace(",", ";").encode("utf-8-sig")),
        ("e.csv.gz", gzip.compress(LINES.encode())),
    ],
)
def test_text_files_are_read_however_they_are_written(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    records, true = read_records([tmp_path / name], dict(line.split(": ") for line in MAP.splitlines()), "who", None)
    assert records.select(["city", "full_name", "postcode"]).to_pylist() == [
        {"city": "Cádiz", "full_name": "José Núñez", "postcode": "01067"},
        {"city": None, "full_name": "Jose Nunez", "postcode": None},
        {"city": None, "full_name": "", "postcode": "01067"},
    ]
    assert list(true.values()) == ["a", "a", "b"]


@pytest.mark.parametrize(
    ("mapped", "said"),
    [(MAP + "who: other\n", "the truth who has the role other"), (MAP + "Name: full_name\n", "a.csv has nr, who, name, place, postcode")],
)
def test_a_map_that_cannot_be_meant_is_refused_in_one_line(
    mapped: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text(LINES)
    (tmp_path / "map.yaml").write_text(mapped)
    assert main([str(tmp_path / "a.csv"), "--truth", "who", "--map", str(tmp_path / "map.yaml")]) == 2
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1


def test_a_country_is_two_letters_or_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert [region(text) for text in ("de", "UK", "Österreich")] == ["DE", "GB", "AT"]
    with pytest.raises(SystemExit):
        main(["a.csv", "--truth", "who", "--map", "map.yaml", "--country", "Narnia"])
    assert "'Narnia' is no country; write its two letters, such as GB or DE" in capsys.readouterr().err
