"""Atoms fitted to the images by likelihood, with error bars and their physical limit."""
