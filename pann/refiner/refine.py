"""Using trained weights: from a reconstruction to a refined density."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pann.core import CheckpointError, TiltSeries, Volume
from pann.io.weights import load_weights
from pann.refiner.acquisition import acquisition_vector
from pann.refiner.canonical import BULK_SMOOTHING, Canonical, pooled_cube, to_canonical
from pann.refiner.lattices.crystals import trust_in
from pann.refiner.mirrors import FLIPS
from pann.refiner.net import N_ANSWERS, RefinerNet
from pann.refiner.nets import network_of
from pann.refiner.target import DENSITY, PRESENCE
from pann.refiner.whole import answer_to

STAGE = "refiner"
VACUUM = 0.1
"""Density, in peaks of a mean atom, below which there is nothing to be sure of."""


@dataclass(frozen=True)
class Refined:
    """What the network makes of a reconstruction.

    Attributes
    ----------
    volume : at the canonical voxel, position zero where it was; non-negative, in the units of the reconstruction.
        Integrated intensities of atoms are proportional to their scattering power as far as the dose allows. Its
        metadata hold `atom_height` and `atom_sigma`, peak [image units per voxel] and width [Å] of a mean atom.
    presence : where atoms are, whatever their element: 1 at an atom that is certain, less where it may be missing or
        elsewhere. Its metadata hold what `pann.refiner.atoms` needs.
    confidence : m² / (m² + s² + v²), in 0 ... 1, for mean m and variance s² of the densities to mirror images and v a
        tenth of an atom: near 1 where they agree on an atom; None for a single answer.
    """

    volume: Volume
    presence: Volume
    confidence: Volume | None

    @property
    def lattice_score(self) -> float:
        """Of the lattice that stands out most in the counts, `Crystals.best_score`; 0 if none was looked for."""
        return float(self.presence.metadata.get("lattice_score") or 0.0)

    @property
    def lattice_trust(self) -> float:
        """0 where that does not tell a lattice from noise, 1 from where it is sure, and where none was looked for."""
        score = self.presence.metadata.get("lattice_score")
        return 1.0 if score is None else trust_in(float(score))


class Refiner:
    """Refines reconstructions with a trained network.

    Parameters
    ----------
    net : the network.
    voxel_size : on which it was trained [Å]; the refined volume has it too.
    sigma : width of the atoms in its answers [Å].
    card : what the weights are.
    device : torch device.
    """

    def __init__(
        self,
        net: RefinerNet,
        voxel_size: float,
        sigma: float,
        card: dict[str, Any] | None = None,
        device: str = "cpu",
    ) -> None:
        self.net = net.to(device).to(memory_format=torch.channels_last_3d).eval()  # type: ignore[call-overload]
        self.voxel_size = voxel_size
        self.sigma = sigma
        self.card = dict(card or {})

    @classmethod
    def load(cls, path: str | Path, device: str = "cpu") -> Self:
        """Read the weights that `train.py stage=refiner` exported.

        Raises CheckpointError when the file is missing, damaged, of another version, stage or network.
        """
        weights = load_weights(path, STAGE)
        try:
            net = network_of(weights.model)
            net.load_state_dict(weights.state, strict=True)
            data = weights.card["data"]
            voxel_size, sigma = float(data["recipe"]["voxel_size"]), float(data["sigma"])
        except (TypeError, KeyError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise CheckpointError(f"checkpoint {path} does not fit the refiner of this version: {reason}") from error
        return cls(net, voxel_size, sigma, weights.card, device)

    def refine(
        self,
        volume: Volume,
        series: TiltSeries,
        *,
        tile: int = 160,
        margin: int = 32,
        flips: int = 2,
        precision: str = "bfloat16",
        progress: bool = True,
    ) -> "Refined":
        """Refine `volume`, the reconstruction of `series`.

        Parameters
        ----------
        volume : non-negative density at any voxel; best reconstructed with the point spread in the projector.
        series : its images; their angles and counts tell the network how far to trust the volume.
        tile, margin : edge of a tile and width of the rim of it that is blended or dropped [voxels], see
            `pann.refiner.tiling.refine_tiled`; memory grows with tile³, some 1.5 kB a voxel.
        flips : average the answers for this many mirror images (1 to 8): the more, the better and the slower.
        precision : "bfloat16" is faster on most machines, "float32" free of its rounding (0.3 % of a peak).
        progress : show a bar.

        Returns
        -------
        Density, presence and, of two answers or more, how far they agree. `pann.refiner.atoms` finds its atoms.
        """
        canonical = to_canonical(volume, self.voxel_size)
        pooled = pooled_cube(canonical.values, self.net.global_size)
        vector = acquisition_vector(series, pooled.factor * self.voxel_size)
        device = next(self.net.parameters()).device.type
        flips = max(1, min(flips, len(FLIPS)))
        crystals = self.net.crystals_of(torch.as_tensor(canonical.values, device=device), self.voxel_size, series)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            answer = answer_to(
                self.net,
                canonical.values,
                self.voxel_size,
                pooled,
                vector,
                crystals,
                flips=flips,
                tile=tile,
                margin=margin,
                progress=progress,
            )
        density, present, squares = answer[DENSITY], answer[PRESENCE], answer[N_ANSWERS]
        height = image_units(density, canonical)
        out = volume.replace(
            values=density * height,
            voxel_size=self.voxel_size,
            metadata=volume.metadata | {"atom_height": height, "atom_sigma": self.sigma},
        )
        facts = {
            "atom_threshold": self.net.threshold,
            "error_bars": self.net.error_bars,
            "odds": self.net.odds,
            "lattice_score": None if crystals is None else crystals.best_score,
        }
        variance = np.maximum(squares - density**2, 0)
        confidence = density**2 / (density**2 + variance + np.float32(VACUUM**2))
        certain = out.replace(values=confidence, metadata={}) if flips > 1 else None
        return Refined(out, out.replace(values=present, metadata=facts), certain)

    def __call__(self, volume: Volume, series: TiltSeries, **options: Any) -> Volume:
        """The volume of `refine`, which see for the options."""
        return self.refine(volume, series, **options).volume


def image_units(density: NDArray[np.float32], canonical: Canonical) -> float:
    """Factor that brings a refined `density` to image units: least squares of smoothed `density` on the smoothed input.

    Both are blurred over neighbours, so that the sharpness of one does not count; the scattering of the object as a
    whole, hence its projections, keep their level.
    """
    width = BULK_SMOOTHING / canonical.voxel_size
    smooth = gaussian_filter(density, width, mode="constant").astype(np.float64)
    reference = gaussian_filter(canonical.values, width, mode="constant").astype(np.float64)
    norm = (smooth**2).sum()
    return float(canonical.scale * (smooth * reference).sum() / norm) if norm > 0 else canonical.scale
