"""From a tilt series to an atomic model: `python infer.py input=series.h5 elements=[Pt,Ni] output=out/x`."""

from pathlib import Path

from pann.pipeline import register, run
from pann.training.entry import launch

if __name__ == "__main__":
    register()
    launch(run, Path(__file__).parent / "conf", "infer")
