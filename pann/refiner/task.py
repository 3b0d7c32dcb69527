"""The Lightning task of stage 1."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pann.core import ConfigError, PointSpread, Volume
from pann.metrics.matching import match
from pann.refiner.cases import Case, case_of, gathered, mean_scores, xz_slice
from pann.refiner.error_bars import ErrorBars
from pann.refiner.example import Example, Prepared
from pann.refiner.lattices.crystals import Crystals
from pann.refiner.losses import RefinerLoss
from pann.refiner.net import STRIDE, RefinerNet
from pann.refiner.odds import LOWEST_CANDIDATE, Odds, peer_evidence
from pann.refiner.patches import PatchBatch
from pann.refiner.reprojection import reprojection_deviance
from pann.refiner.scoring import Trace, atom_scores
from pann.refiner.target import DENSITY, PRESENCE
from pann.refiner.thresholds import LOWEST_PEAK, Peaks, fit_threshold, mean_errors, peak_heights
from pann.refiner.weigh import weigh
from pann.refiner.whole import answer_to


class RefinerTask(LightningModule):
    """Trains a `GlobalLocalResUNet` on patches and scores it by the atoms found in whole volumes.

    Validation and test log the same numbers for the refined volume and for its input, the baseline: ``val/refined/f1``
    beside ``val/input/f1``, and the same by dose; ``refined/errors`` are missed and false atoms per true atom at the
    threshold that suits the split best, and the test's ``weighed/errors`` those by the network's odds.

    Parameters
    ----------
    net : the network; its threshold is fitted to the validation split, see `calibrate`.
    optimizer, scheduler : partial constructors, called with the parameters and with the optimizer.
    loss : on patches.
    reprojection : weight of the Poisson deviance of the re-projected whole volume, `every` how many steps it is
        computed, and `psf_sigma` [Å], the blur of the images beyond the width of the target's atoms; weight 0 is off.
    trace : volume -> atoms. The input is traced with its own threshold, the presence with the network's.
    match_radius : [Å].
    dose_bins : edges [e/Å² per projection].
    tile, margin : see `pann.refiner.tiling.refine_tiled`.
    flips : mirror images that calibration and test average over, see `pann.refiner.mirrors`; validation takes one.
    slices : number of samples of a split whose central slice is kept in `pictures`; 0 keeps none.

    Attributes
    ----------
    cases : the last validation's or test's table, a row for each sample, see `pann.refiner.cases`.
    pictures : by sample, the slices (nx, nz) "input", "refined", "presence" and "target" of its middle.
    """

    stored_dtype = torch.float16  # of the weights: the network computes in bfloat16

    def __init__(
        self,
        net: RefinerNet,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        loss: RefinerLoss,
        reprojection: Mapping[str, float],
        trace: Trace,
        match_radius: float,
        dose_bins: list[float],
        tile: int,
        margin: int,
        slices: int,
        flips: int,
    ) -> None:
        super().__init__()
        self.net = net.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.optimizer_of = optimizer
        self.scheduler_of = scheduler
        self.loss = loss
        self.reprojection = dict(reprojection)
        self.trace = trace
        self.match_radius = match_radius
        self.dose_bins = list(dose_bins)
        self.tile = tile
        self.margin = margin
        self.slices = slices
        self.flips = flips
        self.cases: list[Case] = []
        self.pictures: dict[str, dict[str, NDArray[np.float32]]] = {}
        self._peaks: list[Peaks] = []
        self._baselines: dict[str, dict[str, float]] = {}
        self._crystals: dict[str, Crystals | None] = {}

    def forward(self, batch: PatchBatch) -> Tensor:
        """Density and presence of patches."""
        patch = batch["patch"].contiguous(memory_format=torch.channels_last_3d)
        refined: Tensor = self.net(patch, batch["pooled"], batch["place"], batch["acquisition"])
        return refined

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One step on ``batch["patches"]``, and now and then on the whole sample ``batch["whole"]``."""
        patches: PatchBatch = batch["patches"]
        tilt_limit = 90 * patches["acquisition"][:, 0]  # see pann.refiner.acquisition
        terms = self.loss(self(patches), patches["target"], patches["patch"][:, :1], tilt_limit)
        total = self.loss.total(terms)
        if self.reprojection["weight"] > 0 and self.global_step % int(self.reprojection["every"]) == 0:
            terms["reprojection"] = self.whole_volume_deviance(batch["whole"])
            total = total + self.reprojection["weight"] * terms["reprojection"]
        self.log("train/loss", total, prog_bar=True)
        self.log_dict({f"train/{name}": term for name, term in terms.items()})
        return total

    def whole_volume_deviance(self, prepared: Prepared) -> Tensor:
        """Deviance of the counts of a whole sample from the projections of its refined volume, with gradients."""
        example = prepared.example
        values = torch.as_tensor(example.values, device=self.device).float()
        channels = self.look(prepared, values)
        shape = np.array(channels.shape[1:])
        size = shape // STRIDE * STRIDE  # what is cut is vacuum
        start = (shape - size) // 2
        box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
        batch = {
            "patch": channels[(slice(None), *box)][None],
            "pooled": torch.as_tensor(prepared.pooled.values, device=self.device)[None, None],
            "place": torch.as_tensor(prepared.pooled.place(start, start + size), device=self.device)[None],
            "acquisition": torch.as_tensor(prepared.acquisition, device=self.device)[None],
        }
        whole = torch.zeros_like(channels[0])
        whole[box] = self(batch)[0, DENSITY].float()
        sigma = self.reprojection["psf_sigma"]
        return reprojection_deviance(whole, example, PointSpread((sigma,)) if sigma else None)

    def on_fit_start(self) -> None:
        """Let the data show what the network sees of a whole volume beyond what is stored."""
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        if not self.net.looks:
            return
        if self.net.lattice_filter is not None and not self.net.lattice_filter.trained:
            raise ConfigError(
                "model.lattice_filter is not trained: give from_weights= a file that holds a trained one "
                "(scripts/give_filter.py puts it in), or choose model.lattice_filter=null"
            )
        if data is not None:
            data.look = self.look

    def look(self, prepared: Prepared, values: Tensor) -> Tensor:
        """What the network reads of the whole volume `values` of an example, see `RefinerNet.channels_of`."""
        voxel_size = prepared.example.voxel_size
        acquisition = torch.as_tensor(prepared.acquisition, device=values.device)
        crystals = self._crystals_of(prepared.example, values) if self.net.looks else None
        # Volumes differ in shape: with trainer.benchmark cuDNN would time its convolutions anew for each.
        with torch.backends.cudnn.flags(enabled=True), torch.autocast(values.device.type, torch.bfloat16):
            return self.net.channels_of(values, voxel_size, acquisition, crystals)

    def _crystals_of(self, example: Example, values: Tensor) -> Crystals | None:
        """Those kept with the sample, or what is found now."""
        if example.crystals is not None:
            return example.crystals.to(values.device)
        return self.net.crystals_of(values, example.voxel_size, example.series)

    def validation_step(self, prepared: Prepared, batch_idx: int) -> None:
        """Score one whole sample."""
        self._evaluate(prepared)

    def test_step(self, prepared: Prepared, batch_idx: int) -> None:
        """Score one whole sample, its peaks weighed by the counts too."""
        self._evaluate(prepared, weighed=True)

    def on_validation_epoch_start(self) -> None:
        """Begin a new table."""
        self._clear()

    def on_test_epoch_start(self) -> None:
        """Begin a new table."""
        self._clear()

    def on_validation_epoch_end(self) -> None:
        """Log the means over the table."""
        self._finish("val", self.trainer.val_dataloaders)

    def on_test_epoch_end(self) -> None:
        """Log the means over the table."""
        self._finish("test", self.trainer.test_dataloaders)

    def _clear(self) -> None:
        self.cases.clear()
        self._peaks.clear()
        self.pictures.clear()

    def _evaluate(self, prepared: Prepared, weighed: bool = False) -> None:
        example = prepared.example
        values = np.asarray(example.values, np.float32)
        target, answer = prepared.target, self._refined(prepared, self.flips if weighed else 1)
        refined, presence = answer[DENSITY], answer[PRESENCE]
        if example.name not in self._baselines:
            self._baselines[example.name] = atom_scores(values, example, self.trace, self.match_radius)
        ours = atom_scores(presence, example, self.trace, self.match_radius, self.net.threshold)
        scores = {"mse": float(np.mean((refined - target[DENSITY]) ** 2))}
        for kind, found in (("input", self._baselines[example.name]), ("refined", ours)):
            scores |= {f"{kind}/{name}": value for name, value in found.items()}
        self.cases.append(case_of(example, scores))
        self._peaks.append(self._labelled(prepared, answer, weighed))
        if len(self.pictures) < self.slices:
            volumes = {"input": values, "refined": refined, "presence": presence, "target": target[DENSITY]}
            self.pictures[example.name] = {name: xz_slice(volume) for name, volume in volumes.items()}

    def _refined(self, prepared: Prepared, flips: int) -> NDArray[np.float32]:
        example = prepared.example
        values = example.values.astype(np.float32)
        if example.name not in self._crystals:
            density = torch.as_tensor(values, device=self.device)
            self._crystals[example.name] = self._crystals_of(example, density) if self.net.looks else None
        with torch.autocast(self.device.type, torch.bfloat16):  # as `pann.refiner.refine` does
            return answer_to(
                self.net,
                values,
                example.voxel_size,
                prepared.pooled,
                prepared.acquisition,
                self._crystals[example.name],
                flips=flips,
                tile=self.tile,
                margin=self.margin,
            )

    @property
    def _smoothing(self) -> float:
        """The tracer's [Å]."""
        return float(getattr(self.trace, "keywords", {}).get("smoothing", 0.0))

    def _labelled(self, prepared: Prepared, answer: NDArray[np.float32], weighed: bool = False) -> Peaks:
        """Peaks of the presence in `answer`, with what the counts say of each if they are to be `weighed`."""
        example = prepared.example
        volume = Volume(answer[PRESENCE], example.voxel_size, name=example.name)
        traced = self.trace(volume, threshold=LOWEST_CANDIDATE if weighed else LOWEST_PEAK)
        found, true = match(traced.positions, example.positions, self.match_radius).T
        offsets = np.full((len(traced), 3), np.nan)
        offsets[found] = traced.positions[found] - example.positions[true]
        heights = peak_heights(traced.positions, volume, self._smoothing)
        crystals = self._crystals.get(example.name)
        score = 0.0 if crystals is None else crystals.best_score
        peaks = Peaks(heights, np.isfinite(offsets[:, 0]), len(example.positions), offsets, score)
        if not weighed:
            return peaks
        density = peak_heights(traced.positions, volume.replace(values=answer[DENSITY]), self._smoothing)
        ratios = density / np.maximum(heights, LOWEST_CANDIDATE)
        weighed_peaks = weigh(example.series, traced.positions, heights, ratios)
        evidence = weighed_peaks.evidence(weighed_peaks.heights_of(np.unique(example.heights.round(4))))
        return replace(peaks, evidence=evidence, peers=peer_evidence(heights, ratios, evidence))

    @torch.inference_mode()
    def calibrate(self, samples: Iterable[Prepared]) -> None:
        """Fit the network's threshold, error bars and odds to `samples`, those of the validation split."""
        self.net.eval()
        peaks = [self._labelled(p, self._refined(p, self.flips), weighed=True) for p in samples]
        self.net.threshold = fit_threshold(peaks)
        heights, offsets = (np.concatenate([getattr(p, name) for p in peaks]) for name in ("heights", "offsets"))
        is_atom = np.concatenate([p.is_atom for p in peaks])
        found = is_atom & (heights >= self.net.threshold)
        scores = np.concatenate([np.full(len(p.heights), p.lattice_score) for p in peaks])
        if (bars := ErrorBars.fit(heights[found], scores[found], offsets[found])) is not None:
            self.net.error_bars = bars
        evidence, peers = (np.concatenate([getattr(p, name) for p in peaks]) for name in ("evidence", "peers"))
        weights = np.concatenate([np.full(len(p.heights), 1 / p.n_true) for p in peaks])  # every particle alike
        if is_atom.any() and not is_atom.all():
            self.net.odds = Odds.fit(heights, evidence, peers, is_atom, weights)

    def _finish(self, split: str, loader: Any) -> None:
        # Means are taken of the gathered table: a process that has no sample of some dose would log fewer names.
        self.cases = gathered(self.cases, len(loader.dataset))
        means = mean_scores(self.cases, self.dose_bins)
        peaks = gathered(self._peaks, len(loader.dataset))
        means["refined/errors"] = mean_errors(peaks, fit_threshold(peaks))
        asked = [(p, self.net.odds(p.heights, p.evidence, p.peers)) for p in peaks if p.evidence is not None]
        if len(asked) == len(peaks):
            means["weighed/errors"] = float(np.mean([sample.errors_of(odds > 0) for sample, odds in asked]))
        self.log_dict({f"{split}/{name}": value for name, value in means.items()}, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """The optimizer, with the scheduler stepped every step."""
        optimizer = self.optimizer_of(self.net.parameters())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler_of(optimizer), "interval": "step"},
        }
