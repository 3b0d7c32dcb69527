"""What is periodic in a particle: which lattices, how they are turned, what their cells hold."""
