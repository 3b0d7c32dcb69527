"""The chain from a tilt series to an atomic model."""
