"""Configurations as TOML files: every table is a frozen dataclass whose keys carry their own explanation."""

from __future__ import annotations

import math
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any

from .errors import InteractError, one_line

if sys.version_info >= (3, 11):
    import tomllib
else:  # a requirement of the extras `train` and `scale` there
    import tomli as tomllib


def key(default: Any, explanation: str, choices: tuple[str, ...] = (), may_change: bool = False) -> Any:
    """One key of a table. choices: the only values it takes; may_change: what a run makes does not depend on it, so
    that a resumed run may have another value.
    """
    metadata = {"explanation": explanation, "choices": choices, "may_change": may_change}
    return field(default=default, metadata=metadata)


def read_entries(path: Path, settings: Sequence[str], what: str) -> dict[str, Any]:
    """Read a TOML file, then apply "table.key=value" settings, whose values are TOML too (text needs no quotes).

    what: the kind of file, such as "training configuration". Raises InteractError, one sentence, for a file that is
    missing or not TOML, and a setting of another form.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InteractError(f"{path} cannot be read ({error.strerror}): name a {what}.") from error
    except (ValueError, RecursionError) as error:  # of tomllib, or no UTF-8, or nested too deep
        raise InteractError(f"{path} is not TOML: {one_line(error)}.") from error
    apply_settings(entries, settings)
    return entries


def apply_settings(entries: dict[str, Any], settings: Sequence[str]) -> None:
    """Put "table.key=value" settings into the entries of a file."""
    for setting in settings:
        name, equals, text = setting.partition("=")
        table, dot, entry = name.partition(".")
        if not equals or not dot:
            raise InteractError(f"The setting {setting!r} is not of the form table.key=value.")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except (ValueError, RecursionError):
            value = text
        inside = entries.setdefault(table, {})
        if isinstance(inside, dict):  # `tables_of` says what is wrong with anything else
            inside[entry] = value


def tables_of(entries: Mapping[str, Any], defaults: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The tables of a file, by name: those of `defaults` with the file's values in their place.

    name: of the file, for error messages. Raises InteractError for a table or key that there is not, and a value of
    another type than its key's.
    """
    tables = dict(defaults)
    for table, given in entries.items():
        if not isinstance(given, Mapping):
            raise InteractError(f"{name}: {table} stands outside of any table; write it below its [table].")
        if table not in tables:
            raise InteractError(
                f"{name}: there is no table [{table}]; the tables are {', '.join(f'[{t}]' for t in tables)}."
            )
        tables[table] = replace(tables[table], **_typed(tables[table], table, given, name))
    return tables


def _typed(table: Any, title: str, given: Mapping[str, Any], name: str) -> dict[str, Any]:
    kinds = typing.get_type_hints(type(table))
    typed = {}
    for entry, value in given.items():
        if entry not in kinds:
            raise InteractError(
                f"{name}: [{title}] has no key {entry!r}; its keys are {', '.join(sorted(kinds))}."
            )
        typed[entry] = _as(kinds[entry], value, f"{name}: {title}.{entry}")
    return typed


def _as(kind: Any, value: Any, where: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        value = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_as(inner, item, where) for item in value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        wanted = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}[kind]
        raise InteractError(f"{where} is {one_line(repr(value))}; give {wanted}.")
    if kind is float and not math.isfinite(value):
        raise InteractError(f"{where} is {value}; give a finite number.")
    return value


def wrong_choices(tables: Mapping[str, Any]) -> list[tuple[str, Any, str]]:
    """(table.key, value, advice) for each value that is none of its key's choices."""
    return [
        (f"{title}.{entry.name}", value, f"choose one of {', '.join(entry.metadata['choices'])}")
        for title, table in tables.items()
        for entry in fields(table)
        if (value := getattr(table, entry.name)) not in (entry.metadata["choices"] or (value,))
    ]


def describe_tables(tables: Mapping[str, Any]) -> str:
    """A whole file as text: every key with its default and its explanation."""
    lines = []
    for title, keys in tables.items():
        lines += [f"# {(type(keys).__doc__ or '').splitlines()[0]}", f"[{title}]"]
        for entry in fields(keys):
            choices = entry.metadata["choices"]
            comment = entry.metadata["explanation"] + (f" ({' | '.join(choices)})" if choices else "")
            lines.append(f"{entry.name} = {_toml(getattr(keys, entry.name))}  # {comment}")
        lines.append("")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
