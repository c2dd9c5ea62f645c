"""YAML read into a model, so that every mistake names file, line and what to do."""

import difflib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from dagster_project.failures import Mistake

Model = TypeVar("Model", bound=BaseModel)
# Where a value stands (its keys and positions, from the outside in) → the line.
Lines = dict[tuple[str | int, ...], int]

ALWAYS_ON = frozenset({"consent", "ignore_consent", "require_consent", "suppression", "ignore_suppression", "no_holdout"})


class Strict(BaseModel):
    """A model that knows every key it may have: any other is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def load(model: type[Model], path: Path, **extra: Any) -> Model:
    """Read a YAML file into a model; `extra` are fields that the file does not hold (its folder).

    Raises:
        Mistake: the file is missing, is not YAML, repeats a key, or does not fit the model.
    """
    try:
        document, lines, repeated = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Mistake(f"{path}: there is no such file; create it.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Mistake(f"{path}:{line}: not valid YAML ({error.problem}); mend the line or put the text in quotes.") from None
    except (yaml.YAMLError, ValueError) as error:
        # No text in UTF-8, a character that YAML forbids, a date that there is not: what tells it knows no line.
        raise Mistake(f"{path}: not valid YAML ({' '.join(str(error).split())}); mend it.") from None
    if document is None:
        raise Mistake(f"{path}:1: expected keys with values; write `name: …`.")
    if repeated:
        raise Mistake("\n".join(f"{path}:{line}: the key `{key}` is there twice; remove one." for key, line in repeated))
    try:
        return model(**document, **extra)
    except ValidationError as error:
        raise Mistake("\n".join(_sentence(model, path, lines, mistake) for mistake in error.errors())) from None


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[dict[str, Any] | None, Lines, list[tuple[str, int]]]:
    """What a file says (None where it is no mapping), the line of each of its places, and the keys that stand twice. Each day reads the same few
    files, and YAML is slow to read."""
    root = yaml.compose(text, Loader=yaml.CSafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return None, {}, []
    lines: Lines = {}
    repeated = _walk(root, (), lines)
    return yaml.SafeLoader("").construct_document(root), lines, repeated


def _walk(node: yaml.Node, at: tuple[str | int, ...], lines: Lines) -> list[tuple[str, int]]:
    lines[at] = node.start_mark.line + 1
    repeated: list[tuple[str, int]] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        # A key that is no word, as {{ a template }} without quotes would be, is refused when the document is made.
        for key, value in ((key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                repeated.append((key.value, key.start_mark.line + 1))
            seen.add(key.value)
            repeated += _walk(value, (*at, key.value), lines)
            lines[(*at, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            repeated += _walk(value, (*at, number), lines)
    return repeated


def line_of(path: Path, where: tuple[str | int, ...]) -> str:
    """A file and the line of a place in it, for a mistake that only shows beside other files."""
    _, lines, _ = _parsed(path.read_text(encoding="utf-8"))
    return f"{path}:{_line(lines, where)}"


def _line(lines: Lines, where: tuple[str | int, ...]) -> int:
    """The line of a place, or of what it would be in."""
    return next(lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines)


def _sentence(model: type[BaseModel], path: Path, lines: Lines, mistake: Any) -> str:
    where = tuple(mistake["loc"])
    line = _line(lines, where)
    name = ".".join(str(part) for part in where) or "the file"
    if mistake["type"] == "missing":
        return f"{path}:{line}: `{name}` is missing; add it."
    if mistake["type"] == "extra_forbidden":
        if where[-1] in ALWAYS_ON:
            return f"{path}:{line}: `{name}` is no option: consent, suppression and holdout always apply; remove the line."
        close = difflib.get_close_matches(str(where[-1]), _fields_at(model, where[:-1]), n=1)
        hint = f"did you mean `{close[0]}`?" if close else "remove it or correct its spelling."
        return f"{path}:{line}: `{name}` is not known; {hint}"
    said = mistake["msg"].removeprefix("Value error, ")
    # What holds of several fields together is shown by their place, not by all that they say.
    now = "" if isinstance(mistake["input"], dict) else f"it is now {mistake['input']!r:.80}; "
    return f"{path}:{line}: `{name}`: {said}; {now}correct it."


def _fields_at(model: type[BaseModel], where: Sequence[str | int]) -> list[str]:
    """The fields that a mapping may have at a place of the document; none where nothing says."""
    at: list[Any] = [model]
    for key in where:
        at = [below for one in at for below in _below(one, key)]
    return [name for one in at for model in _models(one) for name in model.model_fields]


def _below(annotation: Any, key: str | int) -> Iterator[Any]:
    """The types that a type has under a key or at a position."""
    for one in _options(annotation):
        if get_origin(one) in (dict, list, tuple):
            yield get_args(one)[-1 if get_origin(one) is dict else 0]
    for model in _models(annotation):
        if key in model.model_fields:
            yield model.model_fields[str(key)].annotation


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models that a value may be."""
    return [one for one in _options(annotation) if isinstance(one, type) and issubclass(one, BaseModel)]


def _options(annotation: Any) -> tuple[Any, ...]:
    """Of Cap | None both."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
