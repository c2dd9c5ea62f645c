"""What somebody wrote in a shop.yaml or source.yaml and cannot be: a sentence with file, line and what to do, on every command."""

import subprocess
import sys
from pathlib import Path

import pytest

from dagster_project.failures import Mistake
from dagster_project.settings import REPOSITORY
from dagster_project.shop import load_shop
from dagster_project.sources.contract import load_system

SHOP = (REPOSITORY / "shops" / "online_retail" / "shop.yaml").read_text()


def said(folder: Path, text: str) -> str:
    (folder / "shop.yaml").write_text(text)
    with pytest.raises(Mistake) as mistake:
        load_shop(folder)
    return str(mistake.value).removeprefix(str(folder))


def with_line(line: str) -> tuple[str, int]:
    """The shop with a line more at its end, and that line's number."""
    text = SHOP.rstrip("\n") + "\n" + line + "\n"
    return text, text.count("\n")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("holdot: 0.1", "`holdot` is not known; did you mean `holdout`?"),
        ("cap: {mail: 2}", "`cap.mail` is not known; did you mean `mails`?"),
        ("retention: {inactive_customer: 5}", "`retention.inactive_customer` is not known; did you mean `inactive_customers`?"),
        (
            "send_hour: soon",
            "`send_hour`: Input should be a valid integer, unable to parse string as an integer; it is now 'soon'; correct it.",
        ),
        ("name: again", "the key `name` is there twice; remove one."),
        ("models: [churm]", "`models`: no score model is called churm; there are "),
        ("quiet: [", "not valid YAML ("),
    ],
)
def test_a_mistake_names_its_line_and_what_to_do(tmp_path: Path, line: str, sentence: str) -> None:
    text, number = with_line(line)
    # What is not closed is found missing at the end of the file.
    lines = [number, number + 1] if line.endswith("[") else [number]
    assert any(said(tmp_path, text).startswith(f"/shop.yaml:{n}: {sentence}") for n in lines), said(tmp_path, text)


def test_a_field_of_a_source_is_known_by_its_place(tmp_path: Path) -> None:
    text = SHOP.replace("sources:\n", "sources:\n  extra:\n    pathh: x\n")
    line = text.split("\n").index("    pathh: x") + 1
    assert f"/shop.yaml:{line}: `sources.extra.pathh` is not known; did you mean `path`?" in said(tmp_path, text)


def test_what_two_fields_say_together_shows_no_whole_section(tmp_path: Path) -> None:
    text = SHOP.replace("sources:\n", "sources:\n  extra: {kind: http}\n")
    line = text.split("\n").index("  extra: {kind: http}") + 1
    assert said(tmp_path, text) == f"/shop.yaml:{line}: `sources.extra`: a source of kind http says its url; correct it."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"language: {{ code }}", "not valid YAML (found unhashable key)"),
        (b"last_day: 2026-13-45", "not valid YAML (month must be in 1..12"),
        (b"retention: caf\xe9", "not valid YAML ('utf-8' codec can't decode byte 0xe9"),
        (b"retention: \x07", "not valid YAML ("),
        (b"retention: !!python/object:os.system {}", "not valid YAML ("),
    ],
)
def test_what_cannot_be_read_at_all_is_a_sentence_too(tmp_path: Path, line: bytes, sentence: str) -> None:
    (tmp_path / "shop.yaml").write_bytes(
        SHOP.encode().replace(b"last_day:", b"# last_day:").replace(b"language:", b"# language:") + line + b"\n"
    )
    with pytest.raises(Mistake) as mistake:
        load_shop(tmp_path)
    assert sentence in str(mistake.value) and str(tmp_path / "shop.yaml") in str(mistake.value)


def test_an_empty_file_is_a_sentence(tmp_path: Path) -> None:
    assert said(tmp_path, "") == "/shop.yaml:1: expected keys with values; write `name: …`."


def test_a_contract_says_its_line_too(tmp_path: Path) -> None:
    folder = tmp_path / "crm"
    folder.mkdir()
    (folder / "source.yaml").write_text("system: crm\ndescription: x\ntables:\n  people:\n    descripton: who\n    format: csv\n")
    with pytest.raises(Mistake, match=r"source.yaml:5: `tables.people.descripton` is not known; did you mean `description`\?"):
        load_system("crm", tmp_path)


@pytest.mark.parametrize("command", [["demo"], ["run"], ["pull"], ["replay", "quarantine", "crm", "people"]])
def test_no_command_ends_in_a_traceback(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "shop.yaml").write_text("name: [\n")
    run = [sys.executable, "-m", "dagster_project.cli", *command, "--shop", str(tmp_path)]
    done = subprocess.run(run, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "shop.yaml:2: not valid YAML" in done.stderr.replace("\n", "")
