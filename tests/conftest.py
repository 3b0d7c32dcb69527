"""Fixtures that several parts share."""

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Folder of the public data sets, beside the checkout; tests that ask for it carry the marker `public_data`."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the public data sets are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def public_tools() -> Path:
    """Folder of the outside tools that come with the public data sets."""
    folder = SHARED / "tools"
    if not folder.is_dir():
        pytest.skip(f"the tools of the public data sets are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def tiny_simulation() -> dict[str, Any]:
    """Plain values of a simulation of twenty-odd atoms of nickel and platinum in nine images, shot noise alone."""
    return {
        "structures": {
            "small": {
                "sites": {"kind": "crystal", "lattice": "fcc"},
                "n_atoms": [20, 25],
                "chemistry": {"kind": "random", "elements": ["Ni", "Pt"]},
            }
        },
        "tilts": {"nine": {"kind": "single", "limit": 60, "n_tilts": 9}},
        "noise": {"clean": {"poisson": {"on": True}}},
        "microscope": {"set_ups": [[300e3, 25, 40, 95]], "source_sigma": 0.3},
        "dose": {"range": [25, 5000]},
        "tier": {"name": "linear"},
        "order": "random",
        "pixel_size": 0.5,
        "margin": 2.0,
        "offset": 1.0,
        "thermal_sigma": 0.07,
    }
