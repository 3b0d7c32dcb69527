"""From a volume to atom positions."""
