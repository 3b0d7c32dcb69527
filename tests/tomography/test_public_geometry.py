"""Published data fix the Euler convention."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pann.io import read_angles, read_tilt_series, read_volume
from pann.tomography import make_projector

pytestmark = pytest.mark.public_data


def correlations(folder: Path, angles_file: str) -> np.ndarray:
    volume = read_volume(folder / "FePt_Vol_64_asymmetric.mat", voxel_size=1.0)
    angles = read_angles(folder / angles_file)
    series = read_tilt_series(folder / "pj_new_Turbu3_1015.mat", angles=angles, pixel_size=1.0, kind="intensity")
    projector = make_projector(series.angles, volume.shape, series.image_shape, pixel_size=1.0)
    images = projector.forward(torch.tensor(volume.values)).numpy()
    pairs = zip(images, series.images, strict=True)
    return np.array([np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] for ours, theirs in pairs])


def test_true_angles_reproduce_the_images_and_wrong_ones_do_not(public_data: Path) -> None:
    folder = public_data / "fept64_angles"
    assert correlations(folder, "GroundTruth_angles_Turbu3_1015.mat").mean() >= 0.999
    assert correlations(folder, "angles_usedin_refine_1015.mat").mean() < 0.98
