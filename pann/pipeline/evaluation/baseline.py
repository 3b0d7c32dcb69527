"""The network-free chain at its best: what a refiner has to beat."""

TUNED: tuple[str, ...] = ()
"""Options of `infer.py` with the fewest missed and false atoms on the validation set (docs/refiner_baseline.md)."""
