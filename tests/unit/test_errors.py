"""The tree of errors: as its docstring draws it, and whole after crossing a process border."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from nightly_pipeline import errors
from nightly_pipeline.errors import NightlyError
from tests.fakes.builder import METRICS

_LINE = re.compile(r"^    (?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+) +(?P<code>\d+) ", re.MULTILINE)
_DRAWN = [
    (len(found["indent"]) // 4, found["name"], int(found["code"]))
    for found in _LINE.finditer(errors.__doc__ or "")
]
_CLASSES = {
    name: cls for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, NightlyError)
}
ALL = pytest.mark.parametrize("cls", _CLASSES.values(), ids=_CLASSES)


def _pickled(error: NightlyError) -> NightlyError:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own


def _drawn_parents() -> dict[str, str]:
    parents, above = {}, {}
    for depth, name, _ in _DRAWN:
        above[depth] = name
        if depth:
            parents[name] = above[depth - 1]
    return parents


def test_the_docstring_draws_every_class_and_nothing_else():
    assert sorted(name for _, name, _ in _DRAWN) == sorted(_CLASSES)


def test_the_docstring_draws_the_real_parents():
    assert _drawn_parents() == {
        name: cls.__base__.__name__ for name, cls in _CLASSES.items() if cls is not NightlyError
    }


@pytest.mark.parametrize(("name", "code"), [(name, code) for _, name, code in _DRAWN])
def test_the_docstring_says_the_exit_code(name, code):
    assert _CLASSES[name].exit_code == code


def test_no_exit_code_means_success_or_a_shells_own():
    assert all(0 < cls.exit_code < 125 for cls in _CLASSES.values())


@ALL
def test_each_says_what_it_is_for_and_what_to_do_next(cls):
    assert cls.__doc__
    assert str(cls("it broke")) == f"it broke\n  next: {cls.default_next_step}"


@ALL
def test_a_next_step_of_its_own_takes_the_place_of_the_usual_one(cls):
    assert str(cls("it broke", next_step="Mend it.")) == "it broke\n  next: Mend it."


@ALL
@pytest.mark.parametrize("carry", [_pickled, copy.deepcopy])
def test_each_survives_a_process_border(cls, carry):
    error = cls("it broke", next_step="Mend it.")
    error.add_note("in the night of 2026-11-20")

    arrived = carry(error)

    assert type(arrived) is cls
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
    assert arrived.args == error.args


@pytest.mark.parametrize(
    "error",
    [
        errors.BuildTimedOut("too slow", metrics=METRICS),
        errors.RegistryUnavailable("throttled", retry_after_s=1.5),
        errors.ProcessTimedOut(
            "late", argv=("docker", "info"), exit_code_of_process=-15, stderr_tail="no", next_step="Wait."
        ),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_an_error_carries_survives_too(error):
    assert vars(_pickled(error)) == vars(error)


def test_everything_of_ours_can_be_caught_at_once():
    with pytest.raises(NightlyError):
        raise errors.NoGpu("the runner has none")
