"""Everything that a run needs and that can be wrong before it starts: options and networks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

from pann.classifier import Classifier, Evidence, gaussian_mixture, kmeans, scattering_mixture
from pann.core import AtomicModel, ConfigError
from pann.pipeline.options import ChainOptions
from pann.refiner import Refiner
from pann.tomography import Method
from pann.tomography.alignment import AlignmentMethod

CLASSICAL: dict[str, Callable[..., AtomicModel]] = {
    "kmeans": kmeans,
    "mixture": gaussian_mixture,
    "scattering": scattering_mixture,
}
"""Classifiers without weights, by the name they have in the configuration."""
Classify = Callable[[Evidence, AtomicModel], AtomicModel]


@dataclass(frozen=True)
class Stages:
    """The stages of a chain, ready to run.

    Attributes
    ----------
    options : what the user chose.
    refiner : None when the stage is left out.
    classify : names the elements of traced atoms; None when the stage is left out or no element is named.
    """

    options: ChainOptions
    refiner: Refiner | None
    classify: Classify | None


def prepare(options: ChainOptions) -> Stages:
    """Check `options` and load the networks.

    Raises
    ------
    ConfigError : an option with an unknown value.
    CheckpointError : a checkpoint that is missing, of another version or of the wrong stage.
    """
    _one_of("reconstruction.method", options.reconstruction["method"], *get_args(Method))
    if options.alignment["method"] is not None:
        _one_of("alignment.method", options.alignment["method"], *get_args(AlignmentMethod))
    return Stages(options, _refiner(options), _classifier(options))


def _one_of(name: str, value: Any, *choices: str) -> None:
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}: expected one of {', '.join(choices)}")


def _refiner(options: ChainOptions) -> Refiner | None:
    if options.refiner is None:
        return None
    _one_of("refiner.choose", options.refiner["choose"], "likelihood", "always")
    if options.refiner_path is None:
        raise ConfigError("the refiner needs a checkpoint: give ckpt= or refiner_ckpt=, or refiner=null")
    return Refiner.load(options.refiner_path, options.device)


def _classifier(options: ChainOptions) -> Classify | None:
    if options.classifier is None or not options.elements:
        return None
    settings = dict(options.classifier)
    method = settings.pop("method")
    if not 0 < (share := settings.pop("loosen", 1.0)) <= 1:
        raise ConfigError(f"classifier.loosen is {share}: expected a share of the refiner's threshold in (0, 1]")
    _one_of("classifier.method", method, "network", *CLASSICAL)
    if method == "network":
        if options.classifier_path is None:
            raise ConfigError("the classifier needs a checkpoint: give ckpt= or classifier_ckpt=, or classifier=kmeans")
        return partial(Classifier.load(options.classifier_path), elements=options.elements, **settings)
    classical = partial(CLASSICAL[method], elements=options.elements, **settings)
    return lambda evidence, model: classical(evidence.raw, model)  # as the field does, in the reconstruction
