"""The shipped options are those that a Python user gets."""

import inspect
from dataclasses import asdict

from omegaconf import OmegaConf

from pann.fitting import fit
from pann.fitting.priors import HaloPrior


def test_the_configuration_holds_the_defaults_of_fit(repository):
    options = OmegaConf.to_container(OmegaConf.load(repository / "conf" / "fit" / "default.yaml"))
    assert isinstance(options, dict)
    assert options.pop("halo_prior") == asdict(HaloPrior())
    defaults = {name: p.default for name, p in inspect.signature(fit).parameters.items() if p.default is not p.empty}
    given_by_the_caller = {"psf", "halo_prior", "prior_positions", "background_images", "device", "progress"}
    assert options == {name: value for name, value in defaults.items() if name not in given_by_the_caller}
