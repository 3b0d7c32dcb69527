"""The chain: tilt series -> volume -> refined volume -> traced atoms -> elements -> fitted atoms."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pann.classifier import Evidence, odd_atoms, scattering_powers
from pann.core import AtomicModel, ConfigError, InputError, PointSpread, TiltSeries, Volume
from pann.core.elements import shortest_bond
from pann.fitting import FitResult
from pann.fitting.existence import Existence
from pann.pipeline.checks import check_bonds, check_field
from pann.pipeline.choose import Verdict, as_many, guard_refined
from pann.pipeline.clock import Clock
from pann.pipeline.fitting import FittedAtoms, fit_atoms
from pann.pipeline.options import ChainOptions
from pann.pipeline.prepare import Stages
from pann.pipeline.refined_atoms import RefinedAtoms, refined_atoms
from pann.refiner import Refined
from pann.tomography import Reconstruction, align, reconstruct_details
from pann.tracing import trace

BOND_SHARE = 0.55
"""Closest that two traced atoms may come, in shortest bonds (twice the smallest covalent radius)."""
LEAST_DISTANCE = 1.5
"""... and in Å, whatever the elements; peaks closer than that are not resolved."""
WEAKEST_PEAK = 0.12
"""Weakest peak of the lightest element, as a share of what its scattering power gives beside the heaviest."""
CHOICE_ITERATIONS = 5


@dataclass(frozen=True)
class ChainResult:
    """Everything that a run of the chain found.

    Attributes
    ----------
    series : the images, aligned.
    reconstruction : the first volume and its background.
    refined : the network's answer, None without the refiner.
    verdict : how the volume of the atoms was chosen, None without the refiner.
    model : the final atoms.
    fitted : the fit and what was learnt from it, None without the fit.
    warnings : what a user should look at.
    """

    series: TiltSeries
    reconstruction: Reconstruction
    refined: Refined | None
    verdict: Verdict | None
    model: AtomicModel
    fitted: FittedAtoms | None
    warnings: list[str] = field(default_factory=list)

    @property
    def fit(self) -> FitResult | None:
        """The last fit, None without one."""
        return None if self.fitted is None else self.fitted.fit

    @property
    def existence(self) -> Existence | None:
        """Atoms added and removed, None where they were not tested."""
        return None if self.fitted is None else self.fitted.existence


def run_chain(series: TiltSeries, stages: Stages, clock: Clock | None = None) -> ChainResult:
    """Run every stage on `series`.

    Raises
    ------
    InputError : no atoms were found.
    """
    clock = clock or Clock(verbose=False)
    options, refiner, classify = stages.options, stages.refiner, stages.classify
    notes: list[str] = []
    if options.alignment["method"] is not None:
        with clock.step("align", str(options.alignment["method"])):
            series = align(series, **options.alignment).series
    with clock.step("reconstruct", f"{series.n_tilts} images of {series.image_shape[0]} x {series.image_shape[1]}"):
        first = _reconstruct(series, options)
    notes += check_field(series, first.background, options.reconstruction["extended"])
    tracing = _tracing_options(options)
    refined: Refined | None = None
    found: RefinedAtoms | None = None
    verdict: Verdict | None = None
    with clock.step("trace", f"atoms at least {tracing['min_distance']:.2f} Å apart"):
        traced = {"raw": trace(first.volume, **tracing)}
    if refiner is not None and (reason := _outside_training(series, options)):
        notes.append(f"the refiner was left out: {reason}; refiner.choose=always uses it all the same")
        refiner = None
    if refiner is not None and options.refiner is not None:
        with clock.step("refine", "the network refines the volume"):
            volume = _network_input(series, first, options)
            refined = refiner.refine(volume, series, flips=options.refiner["flips"], progress=options.progress)
        with clock.step("trace", "atoms of the refined volume"):
            found = refined_atoms(refined, series, options, tracing)
            traced["refined"] = found.atoms
    _require_atoms(traced, series)
    chosen = "refined" if refined is not None else "raw"
    if refined is not None and options.refiner is not None and options.refiner["choose"] == "likelihood":
        with clock.step("choose", "do the images contradict the network"):
            verdict = guard_refined(
                series,
                as_many(first.volume, traced["raw"], len(traced["refined"]), tracing),
                traced["refined"],
                options.refiner["tolerance"],
                CHOICE_ITERATIONS,
                **_fit_surroundings(first, options),
            )
        chosen = verdict.chosen
    model = traced[chosen]
    network: dict[str, Any] = {}
    if chosen == "refined" and refined is not None and found is not None:
        model = found.looser
        network = {"refined": refined.volume, "presence": refined.presence, "odds": found.odds}
    if classify is not None:
        with clock.step("classify", f"{len(model)} atoms"):
            rest = first.background if first.outside is None else first.background[:, None, None] + first.outside
            model = classify(Evidence(first.volume, **network, series=series, background=rest), model)
    elif len(options.elements) == 1:
        model = model.replace(numbers=np.full(len(model), options.elements[0]))
    fitted = None
    if options.fit is not None and options.reconstruction["extended"]:
        notes.append(
            "the fit was left out: an extended object shows more atoms than were traced, and fitted without them the "
            "others drift"
        )
    elif options.fit is not None:
        held = held_options(options, model, refined.lattice_trust if refined and chosen == "refined" else None)
        fitted = fit_atoms(series, model, held, clock, _fit_surroundings(first, options))
        model = fitted.model
        notes += fitted.warnings
    notes += check_bonds(model, options.elements) + odd_atoms(model).notes()
    return ChainResult(series, first, refined, verdict, model.replace(name=series.name), fitted, notes)


def _reconstruct(series: TiltSeries, options: ChainOptions) -> Reconstruction:
    settings = dict(options.reconstruction)
    sigma = settings.pop("psf_sigma")
    psf = PointSpread((sigma,)) if sigma else None
    method = settings.pop("method")
    return reconstruct_details(series, method, psf=psf, device=options.device, progress=options.progress, **settings)


def _network_input(series: TiltSeries, first: Reconstruction, options: ChainOptions) -> Volume:
    """The first volume, or one of fewer passes where it took more than the network was trained on."""
    passes = options.refiner["passes"] if options.refiner else None
    if passes is None or first.statistic is None or first.iterations <= passes:
        return first.volume
    fewer = options.reconstruction | {"iterations": passes, "min_iterations": passes}
    return _reconstruct(series, replace(options, reconstruction=fewer)).volume


def held_options(options: ChainOptions, model: AtomicModel, lattice_trust: float | None) -> ChainOptions:
    """Options of the fit of the atoms `model`, which may come from the refined volume.

    The network knows lattices, the likelihood of a single atom does not: the atoms are held where the network saw them,
    each by a share of its error bar, a prior that bright series overrule (unless `fit.position_prior` says otherwise);
    without a lattice the network knows no more than the fit, and the share is larger. In the error bars of the fit that
    prior counts as wide as it is, and only what of it exceeds what the images say: the network knows the same counts.
    The atoms are not tested one by one (unless `refiner.existence`), which would remove most light ones beside heavy
    ones.

    Parameters
    ----------
    lattice_trust : `Refined.lattice_trust`; None for atoms of the first volume.

    Raises
    ------
    ConfigError : a share of the error bars that is not positive.
    """
    if lattice_trust is None or options.refiner is None or options.fit is None:
        return options
    prior, existence = options.fit["position_prior"], options.existence if options.refiner["existence"] else None
    if prior is None:
        prior = options.refiner["position_prior"]
    doubt, shared = options.fit["prior_doubt"], options.fit["prior_shared"]
    if prior == "network":
        sigmas = None
        known, unknown = (_positive_share(options.refiner, name) for name in ("prior_scale", "prior_scale_disordered"))
        scale = known**lattice_trust * unknown ** (1 - lattice_trust)
        doubt, shared = 1 / scale, True
        if model.covariance is not None:
            sigmas = scale * np.sqrt(np.diagonal(model.covariance, axis1=1, axis2=2))
        # tests add and remove atoms: one error for all of them
        prior = sigmas if sigmas is None or existence is None else np.sqrt((sigmas**2).mean(axis=0))
    held = {"position_prior": prior, "prior_doubt": doubt, "prior_shared": shared}
    return replace(options, fit=options.fit | held, existence=existence)


def _positive_share(refiner: dict[str, Any], name: str) -> float:
    """The option `name` of the refiner; ConfigError where it is no positive number."""
    share = refiner[name]
    if not isinstance(share, int | float) or not share > 0:
        raise ConfigError(f"refiner.{name}={share}: expected a positive share of the error bars")
    return float(share)


def _tracing_options(options: ChainOptions) -> dict[str, Any]:
    settings = dict(options.tracing)
    if settings.get("min_distance") is None:
        bond = shortest_bond(options.elements) if options.elements else 0.0
        settings["min_distance"] = max(LEAST_DISTANCE, BOND_SHARE * bond)
    if settings.get("least_share") is None:
        powers = scattering_powers(options.elements) if options.elements else np.ones(1)
        settings["least_share"] = WEAKEST_PEAK * float(np.min(powers) / np.max(powers)) if options.elements else 0.0
    return settings


def _outside_training(series: TiltSeries, options: ChainOptions) -> str | None:
    """Why the refiner knows nothing of such a series: it learnt from electron counts of isolated particles."""
    if options.refiner is None or options.refiner["choose"] == "always":
        return None
    if options.reconstruction["extended"]:
        return "it was trained on isolated particles, not on objects wider than the field"
    return None if series.kind == "counts" else "it was trained on electron counts, not on processed images"


def _fit_surroundings(first: Reconstruction, options: ChainOptions) -> dict[str, Any]:
    """Options that every fit of the chain shares: what else is in the images, and where to compute."""
    return {"background_images": first.outside, "device": options.device, "progress": options.progress}


def _require_atoms(traced: dict[str, AtomicModel], series: TiltSeries) -> None:
    if not any(len(model) for model in traced.values()):
        raise InputError(
            f"{series.name}: no atom was found: check pixel_size={series.pixel_size:g} and angle_sign, "
            "or lower tracing.threshold"
        )
