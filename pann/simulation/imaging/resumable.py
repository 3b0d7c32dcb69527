"""Series of a slow tier, kept image by image until they are complete."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pann.core.atomic_model import AtomicModel
from pann.core.files import atomic_path, require_writable
from pann.core.progress import progress_bar
from pann.simulation.imaging.tiers import Tier
from pann.simulation.imaging.views import Views
from pann.simulation.microscope import Microscope


def resumable_fractions(
    tier: Tier,
    model: AtomicModel,
    views: Views,
    microscope: Microscope,
    folder: Path,
    *,
    seed: int = 0,
    progress: bool = False,
) -> NDArray[np.float32]:
    """As `tier.fractions`, but images that `folder` holds are read, and others written there as they are made.

    `folder` belongs to this very series: nothing in it says what its images depend on.
    """
    require_writable(folder)
    images = []
    with progress_bar(model.name, len(views.angles), enabled=progress) as bar:
        for k, (_, theta, _) in enumerate(views.angles):
            path = folder / f"{k:03d}.npy"
            if not path.is_file():
                image = tier.fraction(model, views, k, microscope, seed=seed)
                with atomic_path(path) as temporary:
                    np.save(temporary, image)
            images.append(np.load(path))
            bar.advance(status=f"theta {theta:.1f}°")
    return np.stack(images)
