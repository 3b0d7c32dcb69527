import numpy as np

from pann.core.random import generator
from pann.refiner.canonical import pooled_cube
from pann.refiner.mirrors import flip_cube


def test_mirrored_cube_is_the_cube_of_the_mirror():
    values = generator(6, "values").random((13, 20, 9)).astype(np.float32)
    for axes in [(0,), (1, 2), (0, 1, 2)]:
        mirrored = flip_cube(pooled_cube(values, 6), axes, values.shape)
        start = np.array([2, 3, 1])
        box = np.pad(
            values, [(b, 24 - n - b) for b, n in zip(pooled_cube(values, 6).before, values.shape, strict=True)]
        )
        expected = np.flip(box, axes).reshape(6, 4, 6, 4, 6, 4).mean((1, 3, 5))
        np.testing.assert_allclose(mirrored.values, expected, rtol=1e-5)
        inside = np.pad(
            np.flip(values, axes), [(b, 24 - n - b) for b, n in zip(mirrored.before, values.shape, strict=True)]
        )
        np.testing.assert_array_equal(inside, np.flip(box, axes))
        assert mirrored.place(start, start + 4).shape == (3, 2)
