"""Errors that a user can mend: one line that says what is wrong and what to do."""


class PannError(Exception):
    """Base of every error whose message is written for the user; entry points print it and exit with status 2."""


class InputError(PannError):
    """A file, an array or a value given by the user cannot be used."""


class ConfigError(PannError):
    """An option is unknown, missing or impossible."""


class CheckpointError(PannError):
    """A checkpoint is missing, of another version, or of the wrong stage."""
