from __future__ import annotations

import pickle
import re

import pytest

from agent.commands.main import main
from agent.core import errors
from agent.core.errors import Absent, ConfigError, EmberdError, ExitCode, SensorFault, Unusable, WorkerLost

ALL = (EmberdError, ConfigError, Unusable, WorkerLost, Absent, SensorFault)


def through_pickle(error: EmberdError) -> EmberdError:
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - made one line above
    assert isinstance(back, EmberdError)
    return back


def test_the_exit_codes_are_the_documented_ones() -> None:
    assert {code.name: int(code) for code in ExitCode} == {"DONE": 0, "DOES_NOT_HOLD": 1, "USAGE": 2, "UNUSABLE": 3, "LOST": 4}


@pytest.mark.parametrize(("error", "code"), [(ConfigError, 2), (Unusable, 3), (WorkerLost, 4), (EmberdError, 1)])
def test_an_error_carries_its_exit_code(error: type[EmberdError], code: int) -> None:
    assert error("what happened").exit_code == code


@pytest.mark.parametrize("error", ALL)
def test_an_error_survives_the_way_between_two_processes(error: type[EmberdError]) -> None:
    back = through_pickle(error("what happened"))
    assert type(back) is error
    assert str(back) == "what happened"


def test_what_could_be_done_about_an_absence_travels_with_it_but_is_not_said_twice() -> None:
    back = through_pickle(Absent("no pressure", mend="psi=1"))
    assert isinstance(back, Absent)
    assert (str(back), back.mend) == ("no pressure", "psi=1")


def test_every_error_of_emberd_can_be_caught_as_one_and_stands_in_the_tree() -> None:
    defined = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert set(defined) == set(ALL)
    for kind in defined:
        assert issubclass(kind, EmberdError)
        assert re.search(rf"\b{kind.__name__}\b", str(errors.__doc__))


@pytest.mark.parametrize(
    "words",
    [["run", "--config", "/nonexistent/config.toml"], ["run", "--duration", "0"], ["run", "--window", "1 parsec"], ["run", "-x"]],
)
def test_bad_usage_and_bad_configuration_are_one_line_and_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main(words)
    except SystemExit as leaving:
        code = leaving.code
    said = capsys.readouterr()
    assert code == 2
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("emberd")
