"""The Lightning task of the filter that the refiner looks through at the whole volume."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pann.core.random import generator
from pann.refiner.example import Prepared
from pann.refiner.lattices.bragg import RISE, excess, risen
from pann.refiner.lattices.crystals import Crystals
from pann.refiner.lattices.filter import LatticeFilter
from pann.refiner.lattices.orientation import Lattice
from pann.refiner.lattices.spectrum import Spectrum, power, slope_of
from pann.refiner.target import gaussian_atoms

WORST = 3.0
"""A sample whose noise exceeds its signal so much more counts no more."""
NOISE_SHARE = 0.02
"""Of the power of the components that counts as signal, so that samples without any do not outweigh the others."""


class LatticeTask(LightningModule):
    """Trains a `LatticeFilter` to leave of every component what is signal.

    The error of a share s of the whitened component W, whose signal is S, is |s W − S|², summed over all components and
    divided by that of S. At its least, s is the Wiener filter. What signal is, the true atoms say, with the transfer
    of the reconstruction, by shell and by the angle to the beam, regressed on them.

    Parameters
    ----------
    net : the filter.
    optimizer, scheduler : partial constructors, called with the parameters and with the optimizer.
    sigma : width of the atoms in the truth [Å].
    """

    def __init__(
        self,
        net: LatticeFilter,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler],
        sigma: float,
    ) -> None:
        super().__init__()
        self.net = net
        self.optimizer_of = optimizer
        self.scheduler_of = scheduler
        self.sigma = sigma
        self._lattices: dict[str, list[Lattice]] = {}

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """One step on the whole sample ``batch["whole"]``, mirrored at random; the step's number says how."""
        draw = generator(0, "mirror", self.global_step).random(3)
        axes = tuple(np.flatnonzero(draw < 0.5).tolist())
        spectrum, signal = self._spectra(batch["whole"], axes)
        loss = unexplained(self._share(spectrum, batch["whole"], axes), spectrum, signal)
        self.log("train/loss", loss, prog_bar=True)
        return loss.clamp(max=WORST)

    def validation_step(self, prepared: Prepared, batch_idx: int) -> None:
        """Score one whole sample, and beside it the filter without a network."""
        self._score(prepared, "val")

    def test_step(self, prepared: Prepared, batch_idx: int) -> None:
        """Score one whole sample, and beside it the filter without a network."""
        self._score(prepared, "test")

    def _score(self, prepared: Prepared, split: str) -> None:
        spectrum, signal = self._spectra(prepared)
        shares = {"learnt": self._share(spectrum, prepared), "plain": excess(risen(spectrum), RISE)}
        errors = {f"{split}/{name}": unexplained(share, spectrum, signal) for name, share in shares.items()}
        self.log_dict(errors, batch_size=1, sync_dist=True)

    def _spectra(self, prepared: Prepared, axes: tuple[int, ...] = ()) -> tuple[Spectrum, Tensor]:
        """Of a sample mirrored along `axes`, and of its true atoms: both survive that, see `PatchDataset`."""
        example = prepared.example
        values = torch.as_tensor(example.values, device=self.device).float()
        heights = prepared.target_heights[:1]
        atoms = gaussian_atoms(example.positions, heights, example.values.shape, example.voxel_size, self.sigma)[0]
        spectrum = Spectrum.of(values.flip(axes), example.voxel_size)
        return spectrum, signal_of(spectrum, torch.as_tensor(atoms, device=self.device).flip(axes))

    def _share(self, spectrum: Spectrum, prepared: Prepared, axes: tuple[int, ...] = ()) -> Tensor:
        name = prepared.example.name
        if name not in self._lattices:  # of the sample as it is, so that no order of the steps matters
            values = torch.as_tensor(prepared.example.values, device=self.device).float()
            found = Crystals.of(values, prepared.example.voxel_size, prepared.example.series)
            self._lattices[name] = found.lattices
        lattices = [lattice.mirrored(axes) for lattice in self._lattices[name]]
        return self.net.share(spectrum, torch.as_tensor(prepared.acquisition, device=self.device), lattices)

    def configure_optimizers(self) -> Any:
        """The optimizer, with the scheduler stepped every step."""
        optimizer = self.optimizer_of(self.net.parameters())
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler_of(optimizer), "interval": "step"},
        }


def signal_of(spectrum: Spectrum, atoms: Tensor) -> Tensor:
    """The components that `spectrum` would have without noise: those of the true `atoms` (nx, ny, nz), transferred."""
    truth = spectrum.alike(atoms)
    bins = slope_of(spectrum)
    common = torch.bincount(bins, (spectrum.values * truth.conj()).real.flatten().double())
    whole = torch.bincount(bins, power(truth).flatten().double())
    transfer = (common / whole.clamp(min=1e-12)).clamp(min=0).to(spectrum.radius.dtype)
    return transfer[bins].view_as(spectrum.radius) * truth


def unexplained(share: Tensor, spectrum: Spectrum, signal: Tensor) -> Tensor:
    """Power of the difference between the passed components and `signal`, over that of `signal`: 0 is perfect."""
    difference = power(share * spectrum.values - signal).sum()
    return difference / (power(signal).sum() + NOISE_SHARE * power(spectrum.values).sum())
