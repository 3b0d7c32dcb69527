"""Stage 2: elements from Zernike moments and a graph-attention transformer."""
