"""YAML read into a model, so that every mistake names file, line and what to do."""

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
# Where a value stands (its keys and positions, from the outside in) → the line.
Lines = dict[tuple[str | int, ...], int]

ALWAYS_ON = frozenset({"consent", "ignore_consent", "require_consent", "suppression", "ignore_suppression", "no_holdout"})


class ContentError(ValueError):
    """What is said cannot be said: one sentence per mistake, each with its file and, where there is one, its line."""


def load(model: type[Model], path: Path, **extra: Any) -> Model:
    """Read a YAML file into a model; `extra` are fields that the file does not hold (its folder).

    Raises:
        ContentError: the file is missing, is not YAML, repeats a key, or does not fit the model.
    """
    try:
        document, lines, repeated = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ContentError(f"{path}: there is no such file; create it (docs/content.md shows one).") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContentError(f"{path}:{line}: not valid YAML ({error.problem}); mend the line or put the text in quotes.") from None
    if document is None:
        raise ContentError(f"{path}:1: expected keys with values; write `name: …`.")
    if repeated:
        raise ContentError("\n".join(f"{path}:{line}: the key `{key}` is there twice; remove one." for key, line in repeated))
    try:
        return model(**document, **extra)
    except ValidationError as error:
        raise ContentError("\n".join(_sentence(model, path, lines, mistake) for mistake in error.errors())) from None


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[dict[str, Any] | None, Lines, list[tuple[str, int]]]:
    """What a file says (None where it is no mapping), the line of each of its places, and the keys that stand twice. Each day reads the same few
    files, and YAML is slow to read."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
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
        for key, value in node.value:
            if key.value in seen:
                repeated.append((key.value, key.start_mark.line + 1))
            seen.add(key.value)
            repeated += _walk(value, (*at, key.value), lines)
            lines[(*at, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            repeated += _walk(value, (*at, number), lines)
    return repeated


def _sentence(model: type[BaseModel], path: Path, lines: Lines, mistake: Any) -> str:
    where = tuple(mistake["loc"])
    line = next(lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in lines)
    name = ".".join(str(part) for part in where) or "the file"
    if mistake["type"] == "missing":
        return f"{path}:{line}: `{name}` is missing; add it."
    if mistake["type"] == "extra_forbidden":
        if where[-1] in ALWAYS_ON:
            return f"{path}:{line}: `{name}` is no option: consent, suppression and holdout always apply; remove the line."
        close = difflib.get_close_matches(str(where[-1]), model.model_fields, n=1)
        hint = f"did you mean `{close[0]}`?" if close else "remove it or correct its spelling."
        return f"{path}:{line}: `{name}` is not known; {hint}"
    return f"{path}:{line}: `{name}`: {mistake['msg'].removeprefix('Value error, ')}; it is now {mistake['input']!r:.80}; correct it."
