"""The ways through the chain that are compared: without a network, and with each of some refiners."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from pann.core import ConfigError
from pann.pipeline.options import ChainOptions
from pann.pipeline.run import REPOSITORY, chain_options
from pann.pipeline.schema import register
from pann.training.entry import leave_out
from pann.training.record import plain

NETWORK_FREE = "network-free"
CONF = REPOSITORY / "conf"
COMMON = ("input=none", "progress=false", "classifier=scattering", "alignment=none")
"""Elements are told to every arm, and named without a network, so that only the refiner differs."""
NOT_SETTINGS = ("refiner_path", "device")
"""Options that change no result, or whose content is hashed by itself."""
BRIGHT = 1000.0
"""[e/Å² per projection]: from here on a volume needs no smoothing against noise, and loses light atoms by it."""
_DIGEST_LENGTH = 10


@dataclass(frozen=True)
class Arm:
    """One way through the chain.

    Attributes
    ----------
    name : in tables.
    overrides : of `conf/infer.yaml`, as on the command line.
    checkpoint : weights of the refiner, None without one.
    bright : overrides in place of the others from `BRIGHT` on; None where one setting serves all doses.
    """

    name: str
    overrides: tuple[str, ...] = ()
    checkpoint: Path | None = None
    bright: tuple[str, ...] | None = None

    def overrides_at(self, dose: float) -> tuple[str, ...]:
        """Overrides that hold at `dose` [e/Å² per projection]."""
        return self.bright if self.bright is not None and dose >= BRIGHT else self.overrides

    def options(self, elements: Sequence[str], dose: float = 0.0) -> ChainOptions:
        """Options of the chain for candidate `elements`: the defaults of `conf/infer.yaml`, changed by the overrides.

        Raises
        ------
        ConfigError : an override that the configuration refuses.
        """
        register()
        own = self.overrides_at(dose)
        words = [*COMMON, f"elements=[{','.join(elements)}]", *own]
        words += ["refiner.choose=always"] if self.checkpoint else ["refiner=null"]
        try:
            with initialize_config_dir(str(CONF), version_base="1.3"):
                values = plain(compose("infer", [leave_out(word, CONF) for word in words]))
        except (HydraException, OmegaConfBaseException) as error:
            raise ConfigError(f"{self.name}: {' '.join(own)}: {str(error).splitlines()[0]}") from error
        return chain_options(values | {"refiner_ckpt": None if self.checkpoint is None else str(self.checkpoint)})

    @cached_property
    def digest(self) -> str:
        """Hash of all settings and of the weights: rows of other settings are other rows."""
        settings = []
        for dose in (0.0, BRIGHT):
            values = asdict(self.options(["Pt"], dose))
            settings.append(sorted((key, value) for key, value in values.items() if key not in NOT_SETTINGS))
        weights = b"" if self.checkpoint is None else self.checkpoint.read_bytes()
        return sha256(repr(settings).encode() + weights).hexdigest()[:_DIGEST_LENGTH]


def network_free(overrides: Sequence[str], bright: Sequence[str] | None = None) -> Arm:
    """The chain without a network; `bright` as in `Arm`."""
    return Arm(NETWORK_FREE, tuple(overrides), bright=None if bright is None else tuple(bright))


def with_refiner(checkpoint: str | Path, overrides: Sequence[str], name: str | None = None) -> Arm:
    """The chain with the refiner at `checkpoint`, kept whatever the images say; named by its file unless told."""
    path = Path(checkpoint)
    if not path.is_file():
        raise ConfigError(f"checkpoint {path} does not exist")
    own = path.parent.name if path.stem == "refiner" else path.stem
    return Arm(name or own, tuple(overrides), path)
