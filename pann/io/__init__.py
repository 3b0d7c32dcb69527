"""Readers and writers of tilt series, volumes and atoms."""
