"""Training of the classifier as a Lightning module."""

from collections.abc import Callable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn.functional import cross_entropy, nll_loss
from torch_geometric.data import Data

from pann.classifier.calibration import expected_calibration_error, fit_temperature
from pann.classifier.data import BASELINES
from pann.classifier.net import CandidateTransformer

REJECT = 0.5
"""Probability of being no atom from which a peak costs fewer errors removed than kept, where probabilities are true."""
BLENDS = tuple(step / 20 for step in range(20))
"""Weights of the mixture's answer that calibration chooses from."""


class ClassifierTask(pl.LightningModule):
    """Cross-entropy over candidates and "not an atom"; metrics of the network beside those of the classical methods.

    Logged for ``val`` and ``test``: ``loss`` (negative log-likelihood), ``species_accuracy`` among traced atoms that
    are true, ``correct_fraction`` of all true atoms, found or not, ``ece`` of the chosen element, ``atom_accuracy`` of
    telling atoms from other peaks, ``wrong_atoms``, missed and false ones per true atom before and after (``_kept``)
    the peaks called no atom are removed, and the first two for every baseline (``val/kmeans/species_accuracy``). The
    test adds them for every dose bin.

    Parameters
    ----------
    net : `CandidateTransformer`.
    optimizer, scheduler : partial constructors; the schedule is stepped after every batch.
    label_smoothing : share of the target spread over the other classes.
    dose_bins : edges [e/Å² per projection] of the bins of the test.
    """

    def __init__(
        self,
        net: CandidateTransformer,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any],
        label_smoothing: float = 0.0,
        dose_bins: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.net = net
        self._optimizer = optimizer
        self._scheduler = scheduler
        self._label_smoothing = label_smoothing
        self._dose_bins = list(dose_bins)
        self._outputs: list[dict[str, Tensor]] = []

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Optimiser and its schedule."""
        optimizer = self._optimizer(self.net.parameters())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self._scheduler(optimizer), "interval": "step"},
        }

    def on_fit_start(self) -> None:
        """Give the network the statistics of its inputs."""
        self.net.set_statistics(*self.trainer.datamodule.statistics())  # type: ignore[attr-defined]

    @torch.no_grad()
    def calibrate(self, batches: Any) -> tuple[float, float]:
        """Fit the network's blend with the mixture, then its temperature, to `batches`; store and return both."""
        net = self.net.eval()
        net.temperature.fill_(1.0)
        kept = [batch.to(self.device) for batch in batches]
        scores = [net.scores(batch) for batch in kept]
        labels = torch.cat([batch.y for batch in kept])

        def logits(blend: float) -> Tensor:
            net.blend.fill_(blend)
            return torch.cat([net.calibrated(score, batch) for score, batch in zip(scores, kept, strict=True)])

        blend = min(BLENDS, key=lambda value: float(cross_entropy(logits(value), labels)))
        temperature = fit_temperature(logits(blend), labels)
        net.temperature.fill_(temperature)
        return blend, temperature

    def training_step(self, batch: Data, batch_idx: int) -> Tensor:
        """One step."""
        logits = self._logits(batch)
        loss = _smoothed_cross_entropy(logits, batch.y, self._label_smoothing)
        self.log("train/loss", loss, batch_size=batch.num_graphs, prog_bar=True)
        return loss

    def validation_step(self, batch: Data, batch_idx: int) -> None:
        """Collect answers for the epoch's metrics."""
        self._collect(batch)

    def test_step(self, batch: Data, batch_idx: int) -> None:
        """Collect answers for the test's metrics."""
        self._collect(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of all validation atoms."""
        self._log_metrics("val", self._gathered())

    def on_test_epoch_end(self) -> None:
        """Log the metrics of all test atoms, and by dose."""
        outputs = self._gathered()
        self._log_metrics("test", outputs)
        for low, high in zip(self._dose_bins[:-1], self._dose_bins[1:], strict=True):
            chosen = (outputs["dose"] >= low) & (outputs["dose"] < high)
            if chosen.any():
                inside = {name: value[chosen] for name, value in outputs.items()}
                self._log_metrics(f"test/dose_{low:g}_{high:g}", inside)

    def _logits(self, batch: Data) -> Tensor:
        # Attention over few atoms gains nothing from half precision, and calibration loses by it.
        with torch.autocast(self.device.type, enabled=False):
            return self.net(batch)

    def _collect(self, batch: Data) -> None:
        share = torch.bincount(batch.batch, minlength=batch.num_graphs).to(batch.n_true.dtype)
        outputs = {
            "logits": self._logits(batch),
            "label": batch.y,
            "dose": batch.dose[batch.batch],
            # Every traced peak carries its part of the true atoms of its particle: a sum over any peaks counts them.
            "true_atoms": (batch.n_true / share)[batch.batch],
        }
        self._outputs.append({**outputs, **{name: batch[name] for name in BASELINES}})

    def _gathered(self) -> dict[str, Tensor]:
        outputs = {name: torch.cat([part[name] for part in self._outputs]).cpu() for name in self._outputs[0]}
        self._outputs.clear()
        return outputs

    def _log_metrics(self, prefix: str, outputs: dict[str, Tensor]) -> None:
        metrics = classification_metrics(outputs["logits"], outputs["label"], float(outputs["true_atoms"].sum()))
        for name in BASELINES:
            right = outputs[name] == outputs["label"]
            real = outputs["label"] < outputs["logits"].shape[1] - 1
            metrics[f"{name}/species_accuracy"] = float(right[real].double().mean())
            metrics[f"{name}/correct_fraction"] = float(right[real].sum() / outputs["true_atoms"].sum())
        self.log_dict({f"{prefix}/{name}": value for name, value in metrics.items()})


def classification_metrics(logits: Tensor, labels: Tensor, n_true: float) -> dict[str, float]:
    """Metrics of `logits` (n, n_classes), "not an atom" last, against class `labels` (n,) of `n_true` true atoms."""
    nothing = logits.shape[1] - 1
    real = labels < nothing
    chances = logits[:, :nothing].softmax(dim=1)
    confidence, chosen = chances.max(dim=1)
    right = chosen[real] == labels[real]
    kept = logits.softmax(dim=1)[:, nothing] <= REJECT
    return {
        "loss": float(cross_entropy(logits, labels)),
        "species_accuracy": float(right.double().mean()),
        "correct_fraction": float(right.sum() / n_true),
        "ece": expected_calibration_error(confidence[real], right),
        "atom_accuracy": float((kept == real).double().mean()),
        "wrong_atoms": float((n_true - int(real.sum()) + int((~real).sum())) / n_true),
        "wrong_atoms_kept": float((n_true - int((real & kept).sum()) + int((~real & kept).sum())) / n_true),
    }


def _smoothed_cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy with the target smoothed over the classes that are not masked (logit −inf)."""
    log_chances = logits.log_softmax(dim=1)
    loss = nll_loss(log_chances, labels)
    if smoothing == 0:
        return loss
    present = torch.isfinite(logits)
    uniform = -log_chances.masked_fill(~present, 0.0).sum(1) / present.sum(1)
    return (1 - smoothing) * loss + smoothing * uniform.mean()
