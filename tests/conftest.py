"""Fixtures that several parts share."""

from pathlib import Path

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
