"""Lightning callbacks of our own."""

from pann.training.callbacks.validation_table import ValidationTable

__all__ = ["ValidationTable"]
