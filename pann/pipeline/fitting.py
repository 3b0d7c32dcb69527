"""The last part of the chain: which atoms exist, where they are, and how sure that is."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pann.core import AtomicModel, TiltSeries
from pann.core.elements import shortest_bond
from pann.fitting import FitResult, fit
from pann.fitting.cross_validation import CrossValidation, cross_validate
from pann.fitting.elements import ElementLimits, element_limits
from pann.fitting.existence import Existence, Scene, decide_atoms
from pann.fitting.inflation import score_inflation, weakness_inflation
from pann.fitting.widening import widened
from pann.pipeline.clock import Clock
from pann.pipeline.options import ChainOptions

NEW_SHARE = 0.7
"""Closest to another atom that one is added, in shortest bonds (twice the smallest covalent radius)."""
LEAST_NEW = 1.5
"""... and in Å, whatever the elements."""


@dataclass(frozen=True)
class FittedAtoms:
    """Outcome of the fit and of the tests around it.

    Attributes
    ----------
    model : the atoms.
    fit : of these atoms.
    existence : None where the traced atoms were kept.
    elements : Bayes errors between the elements of the model, None with one element or without the tests.
    cross_validation : None where it was not asked for.
    inflation : (n_atoms,) factor of the covariance that the scatter of the images' pulls asks for; it is applied where
        it exceeds that of the fit. None where error bars are not inflated.
    warnings : what a user should look at.
    """

    model: AtomicModel
    fit: FitResult
    existence: Existence | None
    elements: ElementLimits | None
    cross_validation: CrossValidation | None
    inflation: NDArray[np.float64] | None
    warnings: list[str] = field(default_factory=list)


def fit_atoms(
    series: TiltSeries, model: AtomicModel, options: ChainOptions, clock: Clock, surroundings: dict[str, Any]
) -> FittedAtoms:
    """Decide which atoms of `model` exist, and fit them to `series`.

    Parameters
    ----------
    model : traced and classified.
    surroundings : options of every fit: what else is in the images, device, progress.
    """
    settings = dict(options.fit or {})
    notes: list[str] = []
    existence = limits = None
    if options.existence is not None:
        with clock.step("existence", f"which of {len(model)} atoms the images ask for"):
            existence = decide_atoms(series, model, **_existence_options(options), **settings, **surroundings)
        settings["prior_positions"] = existence.given_positions(model)
        model = existence.model
        settings["psf"] = existence.psf
        if existence.probe_held:
            notes.append(
                f"the images do not tell the width of the probe: it was held at {existence.psf.sigmas[0]:g} Å; at so "
                "low a dose many atoms are missing or false"
            )
            settings |= {"fit_width": False, "halo": "fixed"}
        if len(existence.kinds) > 1:
            limits = element_limits(
                model.numbers, existence.evidence.information, existence.kinds.tolist(), existence.heights
            )
    with clock.step("fit", f"{len(model)} atoms to the images"):
        result = fit(series, model, **settings, **surroundings)
    if existence is not None:
        result = replace(
            result,
            r_factor_before=existence.r_factor_before,
            r_factor_per_tilt_before=existence.r_factor_per_tilt_before,
        )
    if not result.converged:
        notes.append(f"the fit stopped after {result.iterations} steps before it converged: raise fit.max_iterations")
    # one fitted intensity per element says nothing of an atom: what was measured of each is kept
    per_element = settings["intensities"] == "element"
    final = result.model.replace(intensities=model.intensities) if per_element else result.model
    inflation = None
    if settings["inflate"] and final.covariance is not None:
        scene = Scene.of(series, result, surroundings["device"])
        inflation = score_inflation(scene, result.model)
        wider = np.maximum(1.0, inflation / result.inflation) * weakness_inflation(scene, result.model)
        final = final.replace(covariance=widened(np.asarray(final.covariance), wider, result.position_precision))
    validation = None
    if options.cross_validation is not None:
        with clock.step("cross-validate", f"without every {options.cross_validation}th image"):
            validation = cross_validate(series, final, options.cross_validation, **settings, **surroundings)
    return FittedAtoms(final, result, existence, limits, validation, inflation, notes)


def _existence_options(options: ChainOptions) -> dict[str, Any]:
    settings = dict(options.existence or {})
    if settings["new_distance"] is None:
        bond = shortest_bond(options.elements) if options.elements else 0.0
        settings["new_distance"] = max(LEAST_NEW, NEW_SHARE * bond)
    return settings
