"""Training curves: a CSV file with one row per step, and a plot of it."""

from __future__ import annotations

import csv
from pathlib import Path


class Curves:
    """Named figures per step. A resumed run drops the rows from `first_step` on, written after its
    checkpoint.
    """

    def __init__(self, path: Path, names: tuple[str, ...], first_step: int = 0):
        self.path, self.names = path, names
        self.rows: list[tuple[float, ...]] = []
        if path.exists() and first_step:
            with path.open(newline="") as file:
                whole = [row for row in list(csv.reader(file))[1:] if len(row) == len(names) + 1]
            read = [(int(row[0]), *map(float, row[1:])) for row in whole]  # a full disk cuts the last one
            self.rows = [row for row in read if row[0] < first_step]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([("step", *names), *self.rows])

    def add(self, step: int, *values: float) -> None:
        self.rows.append((step, *values))
        with self.path.open("a", newline="") as file:
            csv.writer(file).writerow(self.rows[-1])

    def recent(self, count: int) -> str:
        """Means over the last `count` rows, for the log."""
        rows = self.rows[-count:]
        return "  ".join(
            f"{name} {sum(row[i + 1] for row in rows) / len(rows):.3f}" for i, name in enumerate(self.names)
        )

    def plot(self, path: Path, window: int = 50) -> None:
        """One panel per figure, each point a mean over `window` rows."""
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

        canvas, axes = pyplot.subplots(
            1, len(self.names), figsize=(4 * len(self.names), 3), constrained_layout=True
        )
        for i, (name, axis) in enumerate(zip(self.names, axes, strict=True)):
            blocks = [self.rows[k : k + window] for k in range(0, len(self.rows), window)]
            axis.plot([b[-1][0] for b in blocks], [sum(r[i + 1] for r in b) / len(b) for b in blocks])
            axis.set(title=name, xlabel="step")
        canvas.savefig(path, dpi=90)
        pyplot.close(canvas)
