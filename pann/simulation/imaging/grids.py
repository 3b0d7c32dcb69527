"""Sizes of grids for fast Fourier transforms."""

from math import ceil


def smooth_size(at_least: int, multiple_of: int = 1) -> int:
    """Smallest multiple of `multiple_of` not below `at_least` whose prime factors are 2, 3, 5, 7.

    Other sizes make transforms several times slower.
    """
    n = ceil(at_least / multiple_of) * multiple_of
    while True:
        rest = n
        for prime in (2, 3, 5, 7):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += multiple_of
