"""Validation, sample by sample: to CSV files, and to Weights & Biases where it is in use."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import WandbLogger

from pann.core.files import atomic_path
from pann.training.callbacks.curves import KINDS, VARIABLES, curves
from pann.training.callbacks.figures import curves_figure, slices_figure

Row = Mapping[str, Any]


class ValidationTable(Callback):
    """Writes cases.csv and curves.csv after each validation and test, and logs the same with pictures.

    The files hold the last validation and, once there was one, the test. It does nothing for a task without `cases`.
    A task has `cases`, a row for each sample (see `pann.training.callbacks.curves.curves`), and `pictures`, slices of
    some of them by name (see `pann.training.callbacks.figures.slices_figure`).

    Parameters
    ----------
    folder : of the run.
    dose : edges of the bins of the curves [e/Å² per projection].
    missing_wedge : the same, full opening [deg].
    scores : names of the scores that the curves show.
    """

    def __init__(
        self, folder: str, dose: Sequence[float], missing_wedge: Sequence[float], scores: Sequence[str]
    ) -> None:
        self.folder = Path(folder)
        self.edges = {"dose": list(dose), "missing_wedge": list(missing_wedge)}
        self.scores = list(scores)
        self._tables: dict[str, dict[str, list[Row]]] = {"cases": {}, "curves": {}}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write and log the table of the validation."""
        if not trainer.sanity_checking:
            self._record(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write and log the table of the test."""
        self._record(trainer, pl_module, "test")

    def _record(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        cases: list[Row] = getattr(pl_module, "cases", [])
        if not cases or not trainer.is_global_zero:
            return
        found: dict[str, Sequence[Row]] = {"cases": cases, "curves": curves(cases, self.edges, self.scores)}
        place = {"split": split, "step": trainer.global_step}
        for name, rows in found.items():
            self._tables[name][split] = [place | dict(row) for row in rows]
            _write_csv(self.folder / f"{name}.csv", [row for part in self._tables[name].values() for row in part])
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                self._log(logger, found, getattr(pl_module, "pictures", {}), split, trainer.global_step)

    def _log(
        self, logger: WandbLogger, found: Mapping[str, Sequence[Row]], pictures: Row, split: str, step: int
    ) -> None:
        entries: dict[str, Any] = {f"{split}/{name}": _table(rows) for name, rows in found.items()}
        for score in self.scores:
            entries[f"{split}/{score} curves"] = wandb.Image(curves_figure(found["curves"], score))
            for name in VARIABLES:
                entries[f"{split}/{score} against {name}"] = _plot(found["curves"], name, score)
        if pictures:
            entries[f"{split}/slices"] = wandb.Image(slices_figure(pictures))
        logger.log_metrics(entries, step)


def _plot(rows: Sequence[Row], name: str, score: str) -> Any:
    chosen = [row for row in rows if row["variable"] == name]
    return wandb.plot.line_series(
        xs=[row["mean"] for row in chosen],
        ys=[[row.get(f"{kind}/{score}") for row in chosen] for kind in KINDS],
        keys=KINDS,
        title=f"{score} against {VARIABLES[name]}",
        xname=name,
    )


def _table(rows: Sequence[Row]) -> wandb.Table:
    columns = _columns(rows)
    return wandb.Table(columns=list(columns), data=[[row.get(column) for column in columns] for row in rows])


def _write_csv(path: Path, rows: Sequence[Row]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, _columns(rows))
        writer.writeheader()
        writer.writerows(rows)


def _columns(rows: Sequence[Row]) -> list[str]:
    """Keys of all rows in the order of their first appearance: some samples lack a score."""
    return list(dict.fromkeys(key for row in rows for key in row))
