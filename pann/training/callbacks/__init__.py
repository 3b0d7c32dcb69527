"""Lightning callbacks of our own."""

from pann.training.callbacks.second_readings import SecondReadings
from pann.training.callbacks.validation_table import ValidationTable

__all__ = ["SecondReadings", "ValidationTable"]
