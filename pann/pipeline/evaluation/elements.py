"""Ways to name elements, compared on the atoms that the chain traced, dose by dose."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pann.classifier import Classifier, Evidence, gaussian_mixture, kmeans, scattering_mixture
from pann.classifier.calibration import N_BINS, calibration_bins
from pann.core import AtomicModel, InputError
from pann.core.elements import atomic_number
from pann.core.files import atomic_path
from pann.core.progress import progress_bar
from pann.fitting.elements import bayes_accuracy
from pann.fitting.planning import intensity_information
from pann.metrics import match
from pann.pipeline.chain import run_chain
from pann.pipeline.evaluation.cases import Case, Target
from pann.pipeline.evaluation.rows import RowFile
from pann.pipeline.options import ChainOptions
from pann.pipeline.prepare import prepare

OURS = "network"
LIMIT = "Bayes limit"
LOCAL_RADIUS = 10.0
"""[Å] of local k-means, as the field uses it."""
METHODS: dict[str, Callable[[Evidence, AtomicModel, Sequence[int]], AtomicModel]] = {
    "k-means": lambda evidence, model, elements: kmeans(evidence.raw, model, elements),
    "local k-means": lambda evidence, model, elements: kmeans(evidence.raw, model, elements, LOCAL_RADIUS),
    "Gaussian mixture": lambda evidence, model, elements: gaussian_mixture(evidence.raw, model, elements),
    "scattering mixture": lambda evidence, model, elements: scattering_mixture(evidence.raw, model, elements),
}
"""Without weights; all read the integrated intensity in the reconstruction, as the field does."""
_DIGEST_LENGTH = 10
KEY = ("series", "dose", "seed", "settings", "method")
COLUMNS = (*KEY, "volume", "n_true", "n_found", "matched", "right", "n_kept", "matched_kept", "right_kept", "bins")


@dataclass(frozen=True, eq=False)
class Traced:
    """What the chain hands to a classifier."""

    evidence: Evidence
    model: AtomicModel


def compare_elements(
    cases: Sequence[Case],
    options: Callable[[Sequence[str]], ChainOptions],
    weights: Path,
    reject: float,
    file: RowFile,
    kept: Path,
    *,
    radius: float = 1.0,
    progress: bool = True,
) -> str:
    """Classify every case by every method and append what `file` does not hold yet; returns the digest of the settings.

    Parameters
    ----------
    options : of the chain, for the symbols of the candidate elements.
    weights : of the classifier.
    reject : probability of being no atom from which ours drops a peak, for the columns ``_kept``.
    kept : folder for what the chain traced, which other weights of the classifier reuse.
    radius : of matching [Å].
    """
    classifier = Classifier.load(weights)
    before = settings_digest(options(["Pt"]))
    digest = sha256(f"{before} {reject}".encode() + weights.read_bytes()).hexdigest()[:_DIGEST_LENGTH]
    wanted = (*METHODS, OURS, LIMIT)
    with progress_bar("Classifying", len(cases), progress) as bar:
        for case in cases:
            rows = {
                method: {
                    "series": case.target.name,
                    "dose": case.dose,
                    "seed": case.seed,
                    "settings": digest,
                    "method": method,
                }
                for method in wanted
            }
            missing = [method for method in wanted if rows[method] not in file]
            if missing:
                elements = [atomic_number(symbol) for symbol in case.target.elements]
                traced = traced_once(case, options(case.target.elements), kept / before)
                for method in missing:
                    if method == LIMIT:
                        found = limit_row(case.target, case.dose)
                    elif method == OURS:
                        found = network_row(classifier, traced, elements, case.target.truth, reject, radius)
                    else:
                        found = row_of(
                            METHODS[method](traced.evidence, traced.model, elements), case.target.truth, radius
                        )
                    volume = "raw" if traced.evidence.refined is None else "refined"
                    file.append(rows[method] | {"volume": volume} | found)
            bar.advance(1, f"{case.target.name} {case.dose:g} e/Å²")
    return digest


def settings_digest(options: ChainOptions) -> str:
    """Names what the traced atoms depend on: options of the chain, and the content of the refiner's weights."""
    plain: list[Any] = [options.reconstruction, options.refiner, options.tracing]
    if (options.classifier or {}).get("loosen", 1) != 1:
        plain.append(options.classifier)
    weights = b"" if options.refiner_path is None else options.refiner_path.read_bytes()
    return sha256(repr(plain).encode() + weights).hexdigest()[:_DIGEST_LENGTH]


def traced_once(case: Case, options: ChainOptions, folder: Path) -> Traced:
    """`trace_case`, from `folder` if it is there."""
    path = folder / f"{case.target.name}-{case.dose:g}-{case.seed}.pkl"
    if not path.is_file():
        with atomic_path(path) as temporary:
            temporary.write_bytes(pickle.dumps(trace_case(case, options)))
    found: Traced = pickle.loads(path.read_bytes())
    return found


def trace_case(case: Case, options: ChainOptions) -> Traced:
    """Run the chain up to its atoms and keep what the classifier is given."""
    kept: list[Traced] = []

    def keep(evidence: Evidence, model: AtomicModel) -> AtomicModel:
        kept.append(Traced(evidence, model))
        return model

    stages = prepare(replace(options, classifier=None, fit=None))
    # the chain reads in its options how loosely to trace for a classifier, whose place is taken here
    run_chain(case.series, replace(stages, options=replace(options, fit=None), classify=keep))
    if not kept:
        raise InputError(f"{case.series.name}: no atom was traced")
    return kept[0]


def row_of(found: AtomicModel, truth: AtomicModel, radius: float) -> dict[str, Any]:
    """Counts of a classified model."""
    pairs = match(found.positions, truth.positions, radius)
    right = int((found.numbers[pairs[:, 0]] == truth.numbers[pairs[:, 1]]).sum())
    return {"n_true": len(truth), "n_found": len(found), "matched": len(pairs), "right": right}


def network_row(
    classifier: Classifier, traced: Traced, elements: Sequence[int], truth: AtomicModel, reject: float, radius: float
) -> dict[str, Any]:
    """Counts of the network's answer, of what is left when peaks called no atom go, and its calibration."""
    named = classifier(traced.evidence, traced.model, elements)
    kept = classifier(traced.evidence, traced.model, elements, reject=reject)
    row, rest = row_of(named, truth, radius), row_of(kept, truth, radius)
    pairs = match(named.positions, truth.positions, radius)
    confidence = torch.from_numpy(np.array(named.probabilities)[pairs[:, 0]])
    correct = torch.from_numpy(named.numbers[pairs[:, 0]] == truth.numbers[pairs[:, 1]])
    bins = calibration_bins(confidence, correct).T.tolist()
    row |= {"n_kept": rest["n_found"], "matched_kept": rest["matched"], "right_kept": rest["right"]}
    return row | {"bins": " ".join("/".join(f"{value:.6g}" for value in entry) for entry in bins)}


def limit_row(target: Target, dose: float) -> dict[str, Any]:
    """What the best rule would name rightly from the intensities of all true atoms, composition and scale known."""
    information, heights = _information(target)
    kinds = sorted(heights)
    true = np.searchsorted(kinds, target.truth.numbers)
    deviation = 1 / np.sqrt(np.maximum(information / dose, 1e-30))  # of an intensity of heights × dose electrons
    right = bayes_accuracy(deviation, true, [dose * heights[kind] for kind in kinds]).sum()
    n = len(target.truth)
    return {"n_true": n, "n_found": n, "matched": n, "right": float(right)}


_KNOWN: dict[int, tuple[NDArray[np.float64], Mapping[int, float]]] = {}


def _information(target: Target) -> tuple[NDArray[np.float64], Mapping[int, float]]:
    """Of a target, computed once."""
    if id(target) not in _KNOWN:
        _KNOWN[id(target)] = intensity_information(target.truth, target.angles, target.acquisition)
    return _KNOWN[id(target)]


def pooled_error(bins: Sequence[str]) -> float:
    """Expected calibration error of all atoms of some rows together."""
    total = np.zeros((N_BINS, 3))
    for text in bins:
        total += np.array([[float(value) for value in entry.split("/")] for entry in text.split()])
    return float(np.abs(total[:, 1] - total[:, 2]).sum() / max(total[:, 0].sum(), 1))
