"""Tables as files: rows are read from CSV, JSON or Parquet and written as CSV and Parquet.

Parquet needs pyarrow, an extra; without it the rest works and says what is missing.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import InteractError
from .whole_file import whole_file

TABLES = (".csv", ".json", ".parquet")
Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """The rows of a table, in its order; in CSV every value is text.

    Raises InteractError for a file that is no such table, or Parquet without pyarrow.
    """
    try:
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
            if any(None in row for row in rows):  # where DictReader puts what has no column
                raise InteractError(
                    f"{path} has a row with more values than columns: quote values that hold commas."
                )
            return rows
        if path.suffix.lower() == ".json":
            rows = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise InteractError(f"{path} is no list of objects: give one for each row.")
            return rows
        from pyarrow import ArrowException, parquet

        try:
            return parquet.read_table(path).to_pylist()
        except ArrowException as error:
            raise InteractError(f"{path} cannot be read: {error}.") from error
    except ImportError as error:
        raise InteractError(f"{path} needs pyarrow: give CSV or JSON, or install it.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        raise InteractError(f"{path} cannot be read: {error}.") from error


def write_table(rows: Sequence[Mapping[str, Any]], path: Path, kinds: Mapping[str, str]) -> str | None:
    """Write rows, all with the columns of `kinds`, as CSV and as Parquet; a sentence where pyarrow is missing.

    path: without an ending; kinds: column -> "int", "float" or "text", so that tables of several runs fit together
    whatever is missing. Each file appears whole.
    """
    with (
        whole_file(path.with_name(f"{path.name}.csv")) as partial,
        partial.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, list(kinds))
        writer.writeheader()
        writer.writerows(rows)
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return f"{path.name}.parquet was not written: it needs pyarrow. {path.name}.csv holds the same."
    types = {"int": pyarrow.int64(), "float": pyarrow.float64(), "text": pyarrow.string()}
    columns = {name: pyarrow.array([row[name] for row in rows], types[kind]) for name, kind in kinds.items()}
    with whole_file(path.with_name(f"{path.name}.parquet")) as partial:
        parquet.write_table(pyarrow.table(columns), partial)
    return None
