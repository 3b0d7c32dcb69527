"""Stage 1: the global-local 3D ResUNet that refines a reconstruction."""
