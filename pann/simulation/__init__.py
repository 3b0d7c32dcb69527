"""Structures, the microscope, noise and simulated data; the only part that imports abTEM."""
