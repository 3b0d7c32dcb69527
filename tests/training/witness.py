"""What each process of a distributed run saw and wrote, for tests that start one."""

import atexit
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

WRITING = ("w", "a", "x", "+")


class Witness(Callback):
    """Saves to `folder` what process n saw: rank<n>.pt, patches, final weights and table; rank<n>.json, files written.

    The latter are those below the folder `watched`, listed when the process ends.
    """

    def __init__(self, folder: str, watched: str) -> None:
        self.folder = Path(folder)
        self.watched = watched
        self.patches: list[torch.Tensor] = []
        self.written: list[str] = []
        sys.addaudithook(self._note)
        atexit.register(self._list)

    def _list(self) -> None:
        path = self.folder / f"rank{os.environ['LOCAL_RANK']}.json"
        path.write_text(json.dumps(self.written))

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[1], str) and any(flag in arguments[1] for flag in WRITING):
            self.written += self._below(arguments[0])
        elif event == "os.rename":
            self.written += self._below(arguments[1])

    def _below(self, path: Any) -> Iterator[str]:
        if str(path).startswith(self.watched):
            yield Path(path).name

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.patches.append(batch["patches"]["patch"].clone())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        seen = {
            "patches": self.patches,
            "weights": pl_module.net.state_dict(),
            "cases": list(pl_module.cases),
        }
        torch.save(seen, self.folder / f"rank{trainer.global_rank}.pt")
