"""Files as others published them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pann.core import TiltSeries
from pann.core.geometry import project_positions
from pann.io import read_atoms, read_tilt_series, read_volume

pytestmark = pytest.mark.public_data


def correlation_with_atoms(series: TiltSeries, positions: np.ndarray) -> float:
    """Correlation of the images with Gaussian atoms of 0.4 Å at `positions` (n, 3) [Å], projected."""
    grids = [(np.arange(n) - n // 2) * series.pixel_size for n in series.image_shape]
    projected = project_positions(positions, series.angles)
    profiles = [np.exp(-((grid - projected[..., axis, None]) ** 2) / 0.32) for axis, grid in enumerate(grids)]
    model = np.einsum("tni,tnj->tij", *profiles)
    return float(np.corrcoef(model.ravel(), series.images.ravel())[0, 1])


@pytest.mark.parametrize(("dose", "correlation"), [("1p6e4", 0.3), ("1p6e5", 0.75)])
def test_asi208(public_data: Path, dose: str, correlation: float) -> None:
    folder = public_data / "asi208"
    options = {"angles": folder / "angles.mat", "pixel_size": 0.195}
    series = read_tilt_series(folder / f"counts_dose{dose}.mat", angle_sign=-1, **options)
    assert series.images.shape == (60, 128, 128)
    assert series.kind == "counts"
    np.testing.assert_array_equal(series.angles[:, 1], -3 * np.arange(60))
    truth = read_atoms(folder / "ground_truth.txt", types=["Si"])
    assert truth.composition() == {"Si": 208}
    # (x, y, z) of the truth is (Y, X, -Z) of the reconstruction
    positions = truth.positions[:, [1, 0, 2]] * [1, 1, -1]
    right = correlation_with_atoms(series, positions)
    wrong = correlation_with_atoms(read_tilt_series(folder / f"counts_dose{dose}.mat", **options), positions)
    assert right > wrong + 0.1
    assert right > correlation


@pytest.mark.parametrize("area", [5, 22])
def test_ta_film(public_data: Path, area: int) -> None:
    folder = public_data / "ta_film"
    series = read_tilt_series(folder / f"Projections_area{area}.mat", angles=folder / "angles.mat", pixel_size=0.3216)
    volume = read_volume(folder / f"ReconObj_sub{area}.mat", voxel_size=0.3216)
    assert series.kind == "intensity"
    assert series.n_tilts == 46
    assert volume.shape[:2] == series.image_shape
    assert series.angles[0, 1] == pytest.approx(-63.0, abs=0.01)
    assert not series.single_axis


def test_fept64(public_data: Path) -> None:
    folder = public_data / "fept64_angles"
    truth = folder / "GroundTruth_angles_Turbu3_1015.mat"
    series = read_tilt_series(folder / "pj_new_Turbu3_1015.mat", angles=truth, pixel_size=0.37)
    volume = read_volume(folder / "FePt_Vol_64_asymmetric.mat", voxel_size=0.37)
    assert series.images.shape == (41, 64, 64)
    assert volume.shape == (64, 64, 64)
    index = np.argwhere(volume.values > 0.6 * volume.values.max())
    assert correlation_with_atoms(series, volume.positions(index)) > 0.8


def test_fept321(public_data: Path) -> None:
    folder = public_data / "fept321"
    series = read_tilt_series(folder / "projections_FePt.mat", angles=folder / "angles.mat", pixel_size=0.37)
    assert series.images.shape == (37, 68, 68)
    assert series.kind == "intensity"


def test_models(public_data: Path) -> None:
    paths = sorted((public_data / "models").glob("*.xyz*"))
    assert paths
    for path in paths:
        model = read_atoms(path)
        assert model.name == path.name.split(".")[0]
        assert "X" not in model.composition()
        assert "citation" in model.metadata
        distances, _ = cKDTree(model.positions).query(model.positions, k=2)
        assert 2.2 < np.median(distances[:, 1]) < 3.2
