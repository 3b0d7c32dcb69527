"""Projectors, reconstruction, alignment and support."""
