"""Agreement of a refined density with the data where tilting measured its Fourier transform."""

import torch
from torch import Tensor, nn

RESOLUTION = 2.0
"""Finest period [Å] that is compared; beyond it a low-dose reconstruction holds noise."""
VOXEL = 0.4
"""Canonical voxel [Å]."""


class MeasuredFourier(nn.Module):
    """1 − correlation of two densities over the measured part of Fourier space, as in a Fourier shell correlation.

    A projection at tilt θ measures the plane of Fourier space at θ from the plane of the detector (Crowther et al.,
    Nature 226, 421 (1970)), so that tilts within ±θ_max leave a wedge about the beam unmeasured. Patches are tapered
    (Hann), as their edges are no part of the object. A correlation does not depend on the scale of either density.
    """

    def forward(self, refined: Tensor, measured: Tensor, tilt_limit: Tensor) -> Tensor:
        """Mean over the batch.

        Parameters
        ----------
        refined, measured : (b, 1, px, py, pz).
        tilt_limit : (b,) largest tilt [deg].
        """
        a, b = (self._spectrum(density[:, 0].float()) for density in (refined, measured))
        mask = self._mask(refined.shape[2:], tilt_limit)
        cross = (mask * (a * b.conj()).real).sum((1, 2, 3))
        power = (mask * a.abs().square()).sum((1, 2, 3)) * (mask * b.abs().square()).sum((1, 2, 3))
        return (1 - cross / power.clamp(min=1e-12).sqrt()).mean()

    @staticmethod
    def _spectrum(density: Tensor) -> Tensor:
        for axis, n in enumerate(density.shape[1:], start=1):
            window = torch.hann_window(n, periodic=False, device=density.device)
            density = density * window.reshape([-1 if k == axis else 1 for k in range(4)])
        return torch.fft.rfftn(density, dim=(1, 2, 3))

    @staticmethod
    def _mask(shape: torch.Size, tilt_limit: Tensor) -> Tensor:
        """(b, px, py, pz // 2 + 1): 1 where measured and coarser than `RESOLUTION`, without the mean."""
        device = tilt_limit.device
        kx = torch.fft.fftfreq(shape[0], VOXEL, device=device)[:, None, None]
        ky = torch.fft.fftfreq(shape[1], VOXEL, device=device)[None, :, None]
        kz = torch.fft.rfftfreq(shape[2], VOXEL, device=device)[None, None, :]
        radius = (kx**2 + ky**2 + kz**2).sqrt()
        band = (radius > 0) & (radius <= 1 / RESOLUTION)
        tangent = torch.tan(torch.deg2rad(tilt_limit.float().clamp(max=89.9)))[:, None, None, None]
        return (band & (kz.abs() <= tangent * kx.abs())).to(torch.float32)
