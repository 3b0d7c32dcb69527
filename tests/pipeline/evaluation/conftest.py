"""The tiny series of the chain's tests as a case with a known truth."""

from pathlib import Path

import numpy as np
import pytest

from pann.core import AtomicModel, TiltSeries
from pann.fitting.planning import Acquisition
from pann.pipeline.evaluation import Case, RowFile, Scheme, Target
from pann.pipeline.evaluation.comparison import COLUMNS, KEY
from pann.simulation import Microscope, atom_kernels, series_psf
from tests.pipeline.conftest import DOSE, PIXEL


@pytest.fixture(scope="session")
def target(truth: AtomicModel, series: TiltSeries) -> Target:
    kernels = atom_kernels(Microscope(), np.unique(truth.numbers).tolist())
    sections = {number: kernel.cross_section for number, kernel in kernels.items()}
    acquisition = Acquisition(sections, series_psf(truth, PIXEL, Microscope(), 0.07), PIXEL)
    return Target("tiny", truth, series.angles, acquisition)


@pytest.fixture
def case(target: Target, series: TiltSeries) -> Case:
    return Case(target, series, Scheme(), DOSE, 2)


@pytest.fixture
def file(tmp_path: Path) -> RowFile:
    return RowFile(tmp_path / "new" / "rows.csv", COLUMNS, KEY)
