"""Arms on one draw of counts: rows, resumption, failures that are rows too."""

from pathlib import Path

import numpy as np
import pytest

from pann.core import ConfigError, InputError
from pann.pipeline.evaluation import Case, RowFile, compare, comparison_tables, network_free, with_refiner
from pann.pipeline.evaluation.arms import Arm
from pann.pipeline.evaluation.comparison import COLUMNS, KEY

MODULE = "pann.pipeline.evaluation.comparison"
QUICK = ("existence=null", "fit.max_iterations=8")


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("what is known was computed again")


def test_both_stages_of_both_arms_and_nothing_twice(
    case: Case, file: RowFile, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = [network_free(QUICK), with_refiner(workplace / "ckpt" / "refiner.safetensors", QUICK, "untrained")]
    compare([case], arms, file, progress=False)
    rows = {(row["arm"], row["stage"]): row for row in file.rows}
    assert list(rows) == [(arm, stage) for arm in ("network-free", "untrained") for stage in ("trace", "fit")]
    bright = rows["network-free", "fit"]
    assert float(bright["recovery"]) == float(bright["precision"]) == 1
    assert float(bright["rmsd_pm"]) < float(rows["network-free", "trace"]["rmsd_pm"])
    assert float(bright["rmsd_pm"]) < 2 * float(bright["bound_pm"])
    assert not bright["images_choose"]
    assert rows["untrained", "trace"]["images_choose"] in ("raw", "refined")
    assert all(int(row["n_true"]) == 27 for row in file.rows)
    errors = np.array(bright["errors_pm"].split(), float)
    assert np.sqrt((errors**2).mean()) == pytest.approx(float(bright["rmsd_pm"]), abs=0.5)
    monkeypatch.setattr(f"{MODULE}.run_chain", refuse)
    again = RowFile(file.path, COLUMNS, KEY)
    compare([case], arms, again, progress=False)
    assert again.rows == file.rows
    text = comparison_tables(again.rows, [(arm.name, arm.digest) for arm in arms])
    assert "## After tracing" in text
    assert "## After the likelihood fit" in text
    with pytest.raises(AssertionError, match="computed again"):
        compare([case], [network_free([*QUICK, "tracing.smoothing=0.4"])], again, progress=False)


def test_a_chain_that_finds_nothing_misses_every_atom(case: Case, file: RowFile) -> None:
    compare([case], [network_free([*QUICK, "tracing.threshold=1e9"])], file, progress=False)
    assert [(row["stage"], row["missed"], row["n_found"]) for row in file.rows] == [
        ("trace", "27", "0"),
        ("fit", "27", "0"),
    ]
    assert all("no atom was found" in row["note"] for row in file.rows)


def test_a_fit_that_fails_is_a_row_too(case: Case, file: RowFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise InputError("not to be fitted")

    monkeypatch.setattr(f"{MODULE}.fit_atoms", fail)
    compare([case], [network_free(QUICK)], file, progress=False)
    assert [row["missed"] for row in file.rows] == ["0", "27"]
    assert file.rows[1]["note"] == "not to be fitted"


def test_settings_and_weights_name_a_row(workplace: Path, tmp_path: Path) -> None:
    weights = workplace / "ckpt" / "refiner.safetensors"
    other = tmp_path / "other.safetensors"
    other.write_bytes(weights.read_bytes() + b" ")
    assert with_refiner(weights, (), "a").digest == with_refiner(weights, (), "b").digest
    assert with_refiner(other, ()).digest != with_refiner(weights, ()).digest
    assert network_free(["fit=null"]).digest != network_free([]).digest
    assert (with_refiner(weights, ()).name, with_refiner(other, ()).name) == ("ckpt", "other")


def test_elements_are_told_and_the_network_is_kept(workplace: Path) -> None:
    options = with_refiner(workplace / "ckpt" / "refiner.safetensors", ("refiner.flips=2",)).options(("Ni", "Pt"))
    assert options.elements == (28, 78)
    assert options.refiner is not None
    assert (options.refiner["choose"], options.refiner["flips"]) == ("always", 2)
    assert network_free([]).options(("Ni",)).refiner is None


def test_bright_series_have_settings_of_their_own() -> None:
    arm = network_free(["tracing.smoothing=0.6"], ["tracing.smoothing=0.2"])
    assert [arm.options(("Ni",), dose).tracing["smoothing"] for dose in (25, 999, 1000)] == [0.6, 0.6, 0.2]
    assert arm.digest != network_free(["tracing.smoothing=0.6"]).digest
    assert network_free(["fit=null"]).digest == network_free(["fit=null"], ["fit=null"]).digest


@pytest.mark.parametrize("word", ["tracing.smoothin=1", "nothing=1", "tracing.smoothing"])
def test_unknown_options_are_refused(word: str) -> None:
    with pytest.raises(ConfigError, match="network-free"):
        network_free([word]).options(("Ni",))


def test_what_makes_no_sense_is_refused(case: Case, file: RowFile, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="stages: look"):
        compare([case], [network_free([])], file, ["look"])
    with pytest.raises(ConfigError, match="name of its own"):
        compare([case], [Arm("a"), Arm("a", ("fit=null",))], file)
    with pytest.raises(ConfigError, match="does not exist"):
        with_refiner(tmp_path / "none.safetensors", ())
    assert not file.rows
