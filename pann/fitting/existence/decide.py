"""Which atoms exist: false ones taken away, missing ones added, until nothing changes."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core import AtomicModel, ConfigError, InputError, PointSpread, TiltSeries
from pann.core.progress import progress_bar
from pann.fitting.existence.candidates import (
    failing,
    intensities_by_element,
    joined,
    places_to_try,
    usual_nearest,
    with_places,
)
from pann.fitting.existence.elements import element_probabilities, likelier_elements
from pann.fitting.existence.evidence import Evidence, weigh_atoms
from pann.fitting.existence.scene import Scene
from pann.fitting.existence.search import search
from pann.fitting.existence.threshold import noise_threshold
from pann.fitting.maximum_likelihood import fit
from pann.fitting.result import FitResult

ROUGH_TOLERANCE = 0.2
"""Remaining step, in standard errors, to which the fits between the rounds are taken."""
SCREEN = 0.8
"""Maxima of the search are put to the exact test from so far below the threshold: between the points of its grid, and
with the neighbours held, they are lower."""
PROBE = (0.25, 0.4)
"""Narrowest core [Å] of a PSF that is believed, and the core that is held in its place: fitted to many false atoms the
width shrinks until each of them explains a few electrons."""


@dataclass(frozen=True, eq=False)
class Existence:
    """Atoms that the images ask for.

    Attributes
    ----------
    model : the atoms as the last fit left them, with the intensity that the images give each [image units].
    psf : of that fit.
    probe_held : whether its width was held, since the images could not tell it.
    evidence : of the atoms of `model`.
    kinds, heights : atomic numbers of the model, and the intensity of each [image units].
    origin : (n_atoms,) index of each atom in the model given, -1 for those that were added.
    added, removed, renamed : number of atoms that are new, that are gone, and whose element changed.
    level, keep_level : thresholds of √T_free for new atoms and for those given.
    expected_false : number of atoms that noise alone adds in the volume searched, on average.
    keep_rate : probability that an atom given where there is none stays.
    independent, volume : independent positions in the volume searched, and that volume [Å³].
    spread : standard deviation of the residual's normalised score; above 1 the model errs, and the thresholds are
        raised by it.
    r_factor_before, r_factor_per_tilt_before : of the atoms given, before any fit.
    rounds, settled : rounds taken, and whether the last one changed nothing.
    """

    model: AtomicModel
    psf: PointSpread
    probe_held: bool
    evidence: Evidence
    kinds: NDArray[np.int64]
    heights: list[float]
    origin: NDArray[np.int64]
    added: int
    removed: int
    renamed: int
    level: float
    keep_level: float
    expected_false: float
    keep_rate: float
    independent: float
    volume: float
    spread: float
    r_factor_before: float
    r_factor_per_tilt_before: NDArray[np.float64]
    rounds: int
    settled: bool

    def given_positions(self, given: AtomicModel) -> NDArray[np.float64]:
        """Where each atom was in the model `given` (n_atoms, 3) [Å]; NaN for those that were added."""
        return np.where((self.origin >= 0)[:, None], given.positions[self.origin], np.nan)

    def summary(self) -> dict[str, Any]:
        """Plain values for `summary.json`."""
        names = ("added", "removed", "renamed", "level", "keep_level", "expected_false", "keep_rate", "independent")
        values = {name: getattr(self, name) for name in (*names, "spread", "rounds", "settled")}
        return values | {"volume_A3": self.volume}


def decide_atoms(
    series: TiltSeries,
    model: AtomicModel,
    *,
    false_share: float = 0.01,
    keep_rate: float = 0.05,
    new_distance: float = 1.75,
    reach: float = 1.35,
    unsure: float = 0.9,
    max_rounds: int = 10,
    log_odds: ArrayLike | None = None,
    background_images: ArrayLike | None = None,
    device: str = "cpu",
    progress: bool = True,
    **fit_options: Any,
) -> Existence:
    """Take away atoms that the images do not ask for, add those that they do, fit again, until nothing changes.

    A place holds an atom when one of the elements explains its pixels better than nothing does (T(H) > 0 for some H,
    see `evidence`), and when it stands above noise: √T_free above a level that follows from a false-positive rate.
    New atoms may lie anywhere in the volume searched, so that noise alone passes theirs `false_share` times per atom of
    the model, all positions counted (`threshold`). For an atom that is given, the positions around it are counted, a
    ball of radius `new_distance`: noise passes with probability `keep_rate`.

    Parameters
    ----------
    series : images and angles.
    model : traced atoms, with their elements and the probabilities of these as far as they are known.
    false_share : mean number of false atoms added to noise, as a share of the atoms of the model.
    keep_rate : probability that an atom given where there is only noise stays.
    new_distance : atoms are added no closer to others than this [Å].
    reach : ... and no further from the nearest other than this many usual nearest-neighbour distances.
    unsure : atoms whose element is less probable than this take the likeliest one; see `likelier_elements`.
    max_rounds : most rounds.
    log_odds : (n_atoms,) natural logarithm of the odds that each atom given exists, from elsewhere than these images,
        beside those of a traced atom of which nothing more is known: added to the logarithm of the likelihood ratio,
        so that an atom with positive odds stays on less evidence than `keep_rate` asks for. 0 by default, and for atoms
        that are added.
    background_images : (n_tilts, nx, ny) as in `fit`.
    fit_options : of `pann.fitting.fit`. A prior of the positions is about those of `model` in every round, and is not
        one of atoms that are added. The test takes the width of an element (`element_widths`) for that of all others.
    """
    odds = np.zeros(len(model)) if log_odds is None else np.asarray(log_odds, dtype=np.float64)
    if odds.shape != (len(model),) or np.isnan(odds).any():
        raise InputError(
            f"existence: log_odds have shape {odds.shape}: expected a number for each of {len(model)} atoms"
        )
    expected_at = prior_centres(model, fit_options)
    for name, share in (("false_share", false_share), ("keep_rate", keep_rate)):
        if not 0 < share < 1:
            raise ConfigError(f"existence.{name} is {share}: expected a number above 0 and below 1")
    common = {"background_images": background_images, "device": device, "progress": False}
    options = {**fit_options, **common, "covariance": "none", "intensities": "element"}
    given = len(model)
    origin = np.arange(given)
    renamed = np.zeros(len(model), dtype=bool)
    refused = np.zeros((0, 3))
    first = fit(series, model, **(options | {"prior_positions": expected_at}))
    result = _believable(series, model, first, options | {"prior_positions": expected_at})
    with progress_bar("atoms", max_rounds, progress) as bar:
        for number in range(1, max_rounds + 1):
            fitted = result.model
            n = len(fitted)
            scene = Scene.of(series, result, device)
            found = search(scene, fitted, new_distance, reach * usual_nearest(fitted))
            level = found.spread * noise_threshold(false_share * n, found.independent)
            keep_level = found.spread * noise_threshold(keep_rate, found.density * 4 / 3 * pi * new_distance**3)
            places = places_to_try(found, level - SCREEN, refused, new_distance)
            kinds, heights = intensities_by_element(fitted)
            asked = with_places(fitted, places)
            everything = weigh_atoms(scene, asked, heights)
            evidence, new = everything.select(np.arange(n)), everything.select(np.arange(n, len(asked)))
            gone = failing(fitted, evidence, keep_level, odds)
            passed = (new.level > level) & (new.best > 0)
            names = likelier_elements(fitted, evidence, kinds, unsure)
            # an element is changed once: two that fit equally well must not take turns
            names = np.where(renamed, fitted.numbers, names)
            settled = not (gone.any() or passed.any() or (names != fitted.numbers).any())
            bar.advance(1, f"{n} atoms, {int(gone.sum())} go, {int(passed.sum())} come")
            if settled or number == max_rounds:
                break
            refused = np.concatenate([refused, fitted.positions[gone]])
            renamed |= names != fitted.numbers
            added = AtomicModel(places[passed], kinds[new.fixed[passed].argmax(1)])
            model = joined(fitted.replace(numbers=names).select(~gone), added)
            origin = np.concatenate([origin[~gone], np.full(len(added), -1)])
            renamed = np.concatenate([renamed[~gone], np.zeros(len(added), dtype=bool)])
            odds = np.concatenate([odds[~gone], np.zeros(len(added))])
            expected_at = np.concatenate([expected_at[~gone], np.full((len(added), 3), np.nan)])
            rough = {"psf": result.psf, "halo": "fixed", "tolerance": ROUGH_TOLERANCE, "prior_positions": expected_at}
            result = _believable(series, model, fit(series, model, **(options | rough)), options | rough)
    return Existence(
        model=_told(result.model, evidence, kinds, unsure),
        psf=result.psf,
        probe_held=result.psf.sigmas == (PROBE[1],),
        evidence=evidence,
        kinds=kinds,
        heights=heights,
        origin=origin,
        added=int((origin < 0).sum()),
        removed=given - int((origin >= 0).sum()),
        renamed=int(renamed.sum()),
        level=level,
        keep_level=keep_level,
        expected_false=false_share * n,
        keep_rate=keep_rate,
        independent=found.independent,
        volume=found.volume,
        spread=found.spread,
        r_factor_before=first.r_factor_before,
        r_factor_per_tilt_before=first.r_factor_per_tilt_before,
        rounds=number,
        settled=settled,
    )


def prior_centres(model: AtomicModel, fit_options: Mapping[str, Any]) -> NDArray[np.float64]:
    """Centres (n_atoms, 3) [Å] of the prior of the positions, those of `model` where `fit_options` give none."""
    given = fit_options.get("prior_positions")
    return np.asarray(model.positions if given is None else given, dtype=np.float64)


def _believable(series: TiltSeries, model: AtomicModel, result: FitResult, options: dict[str, Any]) -> FitResult:
    """`result`, or a fit with a usual probe where the width of the PSF was lost among false atoms."""
    narrowest, usual = PROBE
    if min(result.psf.sigmas) >= narrowest:
        return result
    held = {"psf": PointSpread((usual,)), "fit_width": False, "halo": "fixed", "tolerance": ROUGH_TOLERANCE}
    return fit(series, model, **(options | held))


def _told(model: AtomicModel, evidence: Evidence, kinds: NDArray[np.int64], unsure: float) -> AtomicModel:
    """`model` with the intensity of each atom, and the probability of its element where that was decided here."""
    chances = model.probabilities
    if chances is not None:
        posterior = element_probabilities(model, evidence, kinds)
        mine = posterior[np.arange(len(model)), np.searchsorted(kinds, model.numbers)]
        chances = np.where(chances < unsure, mine, chances)
    return model.replace(intensities=evidence.intensity, probabilities=chances)
