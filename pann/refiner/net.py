"""The refiner network: a residual U-Net on full-resolution patches, told about the whole particle and the acquisition.

No layer normalises over space: statistics of a tile would depend on where the tile was cut. Residual branches start
small instead (De and Smith, NeurIPS 2020), and the acquisition scales and shifts them (FiLM, Perez et al., AAAI 2018).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, silu, softplus

from pann.core.tilt_series import TiltSeries
from pann.refiner.acquisition import N_ACQUISITION
from pann.refiner.error_bars import UNTRAINED as UNKNOWN_ERRORS
from pann.refiner.error_bars import ErrorBars
from pann.refiner.lattices.bragg import bragg_filtered
from pann.refiner.lattices.crystals import Crystals
from pann.refiner.lattices.filter import LatticeFilter
from pann.refiner.lattices.orientation import GRAINS
from pann.refiner.lattices.spectrum import Spectrum
from pann.refiner.odds import UNTRAINED as FIRST_ODDS
from pann.refiner.odds import Odds
from pann.refiner.thresholds import UNTRAINED as FIRST_THRESHOLD

N_ANSWERS = 2
"""Volumes in an answer: density and presence, see `pann.refiner.target`."""
STRIDE = 8
"""Patches start and end at multiples of this many voxels."""
INPUT_PEAK = 8.0
"""Usual height of an atom in the input, where the bulk has density 1."""
LATTICE_PEAK = 4.0
"""Usual height of an atom in what is periodic in the input."""
FILTER_GAIN = 0.25
"""Brings the filtered input to the height of the target: an atom of a metal has 200 voxels of 0.4 Å, its peak 31."""
SHARPNESS = 5.0
"""Of the softplus that makes the density non-negative; 1 is the height of a mean atom."""


def conv3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    """A 3³ convolution that keeps the shape, or divides it by `stride`."""
    return nn.Conv3d(inputs, outputs, kernel_size=3, stride=stride, padding=1)


def matched_filter() -> nn.Conv3d:
    """A 5³ filter that begins as a Gaussian, as tracing does without a network; what is added to it corrects it."""
    conv = nn.Conv3d(1, 1, kernel_size=5, padding=2)
    line = torch.exp(-0.5 * torch.arange(-2.0, 3.0) ** 2)
    cube = line[:, None, None] * line[:, None] * line
    conv.weight.data.copy_(FILTER_GAIN * cube / cube.sum())
    nn.init.constant_(conv.bias, -2 / SHARPNESS)  # type: ignore[arg-type]  # vacuum is near zero
    return conv


def small(conv: nn.Conv3d) -> nn.Conv3d:
    """`conv` with weights a tenth as large and no bias at the start: the last layer of a correction."""
    conv.weight.data.mul_(0.1)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


class FilmBlock(nn.Module):
    """x + α conv(silu(γ conv(silu(x)) + β)): a residual block whose γ, β follow from the acquisition embedding."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.first = conv3(width, width)
        self.second = conv3(width, width)
        self.film = nn.Linear(embedding, 2 * width)
        self.alpha = nn.Parameter(torch.tensor(0.2))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, acquisition: Tensor) -> Tensor:
        """(b, width, ...) and (b, embedding) -> (b, width, ...)."""
        gamma, beta = self.film(acquisition)[:, :, None, None, None].chunk(2, dim=1)
        inner = self.first(silu(x)) * (1 + gamma) + beta
        return x + self.alpha * self.second(silu(inner))


class Blocks(nn.Module):
    """`depth` residual blocks in a row."""

    def __init__(self, width: int, embedding: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(FilmBlock(width, embedding) for _ in range(depth))

    def forward(self, x: Tensor, acquisition: Tensor) -> Tensor:
        """(b, width, ...) and (b, embedding) -> (b, width, ...)."""
        for block in self.blocks:
            x = block(x, acquisition)
        return x


class GlobalBranch(nn.Module):
    """Features of the whole particle: its shape, its thickness along the beam, the streaks of the missing wedge."""

    def __init__(self, width: int, embedding: int, outputs: int) -> None:
        super().__init__()
        self.stem = conv3(1, width)
        self.down = conv3(width, 2 * width, stride=2)
        self.body = Blocks(2 * width, embedding, 2)
        self.head = nn.Conv3d(2 * width, outputs, kernel_size=1)

    def forward(self, pooled: Tensor, acquisition: Tensor) -> Tensor:
        """(b, 1, g, g, g) pooled volume -> (b, outputs, g / 2, g / 2, g / 2)."""
        features: Tensor = self.down(silu(self.stem(pooled)))
        out: Tensor = self.head(silu(self.body(features, acquisition)))
        return out


class Level(nn.Module):
    """One resolution of the U-Net and everything coarser: encode, go down, come up, decode."""

    def __init__(self, widths: Sequence[int], embedding: int, depth: int) -> None:
        super().__init__()
        self.encoder = Blocks(widths[0], embedding, depth)
        self.below: Level | None = None
        if len(widths) > 1:
            self.down = nn.Conv3d(widths[0], widths[1], kernel_size=2, stride=2)
            self.below = Level(widths[1:], embedding, depth)
            self.up = nn.ConvTranspose3d(widths[1], widths[0], kernel_size=2, stride=2)
            self.decoder = Blocks(widths[0], embedding, depth)

    def forward(self, x: Tensor, acquisition: Tensor, context: Callable[[Tensor], Tensor]) -> Tensor:
        """(b, widths[0], ...) and (b, embedding) -> (b, widths[0], ...).

        `context` adds the global features to what arrives at the coarsest level.
        """
        if self.below is None:
            deepest: Tensor = self.encoder(context(x), acquisition)
            return deepest
        fine = self.encoder(x, acquisition)
        coarse = self.below(self.down(silu(fine)), acquisition, context)
        out: Tensor = self.decoder(fine + self.up(silu(coarse)), acquisition)
        return out


def _with_slope(net: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Weights from before error bars followed the score of the lattice: theirs do not."""
    if f"{prefix}position_errors" in state:
        state.setdefault(f"{prefix}position_errors_slope", torch.tensor(0.0))


class RefinerNet(nn.Module):
    """What all refiner networks carry: the edge of the pooled cube they read, and what is known of their atoms.

    The threshold, the errors to expect and the odds lie among the buffers, so that they travel with the weights.

    Attributes
    ----------
    lattice_filter : what has learnt to see what is periodic in a whole volume; None for none.
    cell_averages, lattice_sites : lattices whose mean cells, and whose atoms, it reads.
    counts_detail : whether it reads what detail the counts show.
    """

    presence_threshold: Tensor
    position_errors: Tensor
    position_errors_slope: Tensor
    existence_odds: Tensor

    def __init__(self, global_size: int) -> None:
        super().__init__()
        self.global_size = global_size
        self.register_buffer("presence_threshold", torch.tensor(FIRST_THRESHOLD))
        self.register_buffer("position_errors", torch.tensor(UNKNOWN_ERRORS))
        self.register_buffer("position_errors_slope", torch.tensor(0.0))
        self.register_buffer("existence_odds", FIRST_ODDS.row)
        self.lattice_filter: LatticeFilter | None = None
        self.cell_averages = self.lattice_sites = 0
        self.counts_detail = False
        self.register_load_state_dict_pre_hook(_with_slope)

    @property
    def looks(self) -> bool:
        """Whether it reads more of a volume than what is stored with a sample."""
        views = self.cell_averages + self.lattice_sites + self.counts_detail
        return self.lattice_filter is not None or views > 0

    @property
    def threshold(self) -> float:
        """How high a peak of the presence must be to be an atom, see `pann.refiner.thresholds`."""
        return float(self.presence_threshold)

    @threshold.setter
    def threshold(self, value: float) -> None:
        self.presence_threshold.fill_(value)

    @property
    def error_bars(self) -> ErrorBars:
        """How far its atoms are from the true ones."""
        return ErrorBars.of_rows(self.position_errors, self.position_errors_slope)

    @error_bars.setter
    def error_bars(self, value: ErrorBars) -> None:
        self.position_errors.copy_(value.rows)
        self.position_errors_slope.fill_(value.slope)

    @property
    def odds(self) -> Odds:
        """The odds of a candidate by its peak and by the counts."""
        return Odds.of_row(self.existence_odds)

    @odds.setter
    def odds(self, value: Odds) -> None:
        self.existence_odds.copy_(value.row)

    def crystals_of(self, values: Tensor, voxel_size: float, series: TiltSeries) -> Crystals | None:
        """What `channels_of` asks for beside a density (nx, ny, nz); None if it `looks` at nothing else.

        Parameters
        ----------
        values : float32, normalised density.
        voxel_size : [Å].
        series : the images it was reconstructed from.
        """
        return Crystals.of(values, voxel_size, series) if self.looks else None

    @torch.no_grad()
    def channels_of(self, values: Tensor, voxel_size: float, acquisition: Tensor, crystals: Crystals | None) -> Tensor:
        """What the network reads of a whole volume at full resolution, (channels, nx, ny, nz).

        The density, what is periodic in it, what its own `lattice_filter` lets pass, and of what the counts say the
        mean cells of the best `cell_averages` lattices, the atoms of the best `lattice_sites`, and `counts_detail`.

        Parameters
        ----------
        values : (nx, ny, nz) float32, normalised density.
        voxel_size : [Å].
        acquisition : (N_ACQUISITION,).
        crystals : of `crystals_of`.
        """
        channels = [values, bragg_filtered(values, voxel_size)]
        if crystals is not None:
            if self.lattice_filter is not None:
                spectrum = Spectrum.of(values, voxel_size)
                channels.append(self.lattice_filter(spectrum, acquisition, crystals.lattices))
            channels += crystals.views(self.cell_averages, self.lattice_sites, self.counts_detail)
        return torch.stack(channels)


class GlobalLocalResUNet(RefinerNet):
    """Global-local 3D residual U-Net.

    The local branch folds 2³ voxels into channels, which keeps full resolution at an eighth of the cost, works at
    `levels` resolutions from half the full one down, and unfolds again. The global features of the place enter at the
    coarsest of them.

    Parameters
    ----------
    width : channels at half resolution; the next levels have 2, 3, ... times as many.
    blocks : residual blocks at each level and side.
    levels : resolutions, 2 (half and quarter) or 3 (an eighth too).
    global_width : channels of the global branch; 0 leaves it out.
    global_size : edge of the cube into which the whole volume is pooled (see `pann.refiner.canonical.pooled_cube`).
    embedding : length of the acquisition embedding.
    lattice : read what is periodic in the whole volume; False leaves it out.
    lattice_filter : arguments of the `LatticeFilter` whose view of it is read too; None for none.
    cell_averages, lattice_sites : lattices, of those found, whose mean cells and whose atoms are read too.
    counts_detail : read what detail the counts show, too.

    Raises
    ------
    ValueError : more levels than `STRIDE` allows, or more mean cells or atoms than lattices are looked for.
    """

    def __init__(
        self,
        width: int,
        blocks: int,
        global_width: int,
        global_size: int,
        embedding: int,
        levels: int = 2,
        lattice: bool = True,
        lattice_filter: Mapping[str, int] | None = None,
        cell_averages: int = 0,
        lattice_sites: int = 0,
        counts_detail: bool = False,
    ) -> None:
        super().__init__(global_size)
        for name, number in (("cell_averages", cell_averages), ("lattice_sites", lattice_sites)):
            if not 0 <= number <= GRAINS:
                raise ValueError(f"{name} is {number}: expected 0 to {GRAINS}")
        if not 1 <= levels <= STRIDE.bit_length() - 1:
            raise ValueError(f"levels is {levels}: expected 1 to {STRIDE.bit_length() - 1}")
        self.blocks, self.levels = blocks, levels
        self.embed = nn.Sequential(
            nn.Linear(N_ACQUISITION, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        self.reads_lattice = lattice
        views = cell_averages + lattice_sites + counts_detail
        read = 3 + (lattice_filter is not None) + views  # the density twice, see `forward`
        self.fold = nn.Conv3d(read, width, kernel_size=2, stride=2)
        self.local = Level([width * (k + 1) for k in range(levels)], embedding, blocks)
        self.global_branch = GlobalBranch(global_width, embedding, levels * width) if global_width else None
        self.unfold = nn.ConvTranspose3d(width, width // 4, kernel_size=2, stride=2)
        self.head = nn.Sequential(conv3(width // 4 + read, width // 4), nn.SiLU(), small(conv3(width // 4, N_ANSWERS)))
        self.filter = matched_filter()
        if lattice_filter is not None:
            self.lattice_filter = LatticeFilter(**lattice_filter).requires_grad_(False)
        self.cell_averages, self.lattice_sites, self.counts_detail = cell_averages, lattice_sites, counts_detail

    @property
    def reach(self) -> int:
        """How far [voxels] an input can lie from an output that depends on it, through the local branch."""
        convolutions = 2 * self.blocks  # of 3³ at each level and side
        sides = [2] * (self.levels - 1) + [1]
        at_levels = sum(side * convolutions * 2 ** (k + 1) for k, side in enumerate(sides))
        return at_levels + 2 ** (self.levels + 1) + 2  # the folds, and the two convolutions of the head

    def forward(self, patch: Tensor, pooled: Tensor, place: Tensor, acquisition: Tensor) -> Tensor:
        """Refined density and presence of atoms (see `pann.refiner.target`), non-negative.

        Parameters
        ----------
        patch : (b, channels, px, py, pz) what `channels_of` gives; edges are multiples of `STRIDE`.
        pooled : (b, 1, g, g, g) the whole volume, pooled.
        place : (b, 3, 2) where the patch lies in the pooled cube along x, y, z: its first and last edge, in -1 ... 1.
        acquisition : (b, N_ACQUISITION).

        Returns
        -------
        (b, 2, px, py, pz)
        """
        embedding = self.embed(acquisition)
        density, lattice = patch[:, :1], patch[:, 1:]
        lattice = lattice / LATTICE_PEAK if self.reads_lattice else torch.zeros_like(lattice)
        read = torch.cat([torch.log1p(density), density / INPUT_PEAK, lattice], dim=1)

        def context(coarse: Tensor) -> Tensor:
            if self.global_branch is None:
                return coarse
            features = self.global_branch(pooled, embedding)
            return coarse + sample_at_place(features, place, coarse.shape[2:]).to(coarse.dtype)

        fine = self.local(self.fold(read), embedding, context)
        full = torch.cat([silu(self.unfold(silu(fine))), read.to(fine.dtype)], dim=1)
        return softplus((self.filter(density) + self.head(full)).float(), beta=SHARPNESS)


def sample_at_place(features: Tensor, place: Tensor, shape: torch.Size) -> Tensor:
    """Interpolate `features` (b, c, g, g, g) of a cube at the voxel centres of the box `place` (b, 3, 2).

    Coordinates run from -1 to 1 between the outer edges of the cube. Returns (b, c, *shape).
    """
    axes = []
    for axis, n in enumerate(shape):
        centres = (torch.arange(n, device=place.device, dtype=torch.float32) + 0.5) / n
        axes.append(torch.lerp(place[:, axis, :1].float(), place[:, axis, 1:].float(), centres))
    x, y, z = axes
    size = (-1, *shape)
    grid = torch.stack(
        [
            z[:, None, None, :].expand(size),
            y[:, None, :, None].expand(size),
            x[:, :, None, None].expand(size),
        ],
        dim=-1,
    )  # grid_sample names the last array axis first
    return grid_sample(features.float(), grid, mode="bilinear", padding_mode="border", align_corners=False)
