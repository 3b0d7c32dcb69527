"""The network-free chain at its best: what a refiner has to beat."""

TUNED = ("reconstruction.psf_sigma=0.5", "tracing.smoothing=0.6", "tracing.support=auto")
"""Options of `infer.py` with the fewest missed and false atoms on simulated particles at 25 to 200 e/Å² per projection,
none of them of the test set (`scripts/tune_baseline.py`, docs/refiner_baseline.md)."""
TUNED_BRIGHT: tuple[str, ...] = ()
"""The same from `pann.pipeline.evaluation.arms.BRIGHT` on: the defaults, which lose fewer atoms there."""
