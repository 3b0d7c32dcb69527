"""The chain from a tilt series to an atomic model."""

from pann.pipeline.chain import ChainResult, run_chain
from pann.pipeline.options import ChainOptions
from pann.pipeline.prepare import Stages, prepare
from pann.pipeline.run import run
from pann.pipeline.schema import register

__all__ = ["ChainOptions", "ChainResult", "Stages", "prepare", "register", "run", "run_chain"]
