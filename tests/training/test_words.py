"""What a script makes of an error: a line for what the user can mend, a traceback for the rest."""

import pytest

from pann.core import ConfigError
from pann.training.words import USER_ERROR, exit_status


def test_status_of_a_task_that_ends(capsys: pytest.CaptureFixture) -> None:
    assert exit_status(lambda: print("done")) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_status_and_line_of_a_user_error(capsys: pytest.CaptureFixture) -> None:
    def task() -> None:
        raise ConfigError("no such key")

    assert exit_status(task) == USER_ERROR
    assert capsys.readouterr() == ("", "error: no such key\n")


def test_other_errors_pass_through() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 / 0)
