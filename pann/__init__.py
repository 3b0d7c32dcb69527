"""PANN: physics-aware neural networks for atomic electron tomography."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("pann")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
