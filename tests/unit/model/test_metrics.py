from __future__ import annotations

import pytest

from nightly_pipeline.model.metrics import BuildStep, step_seconds


def done(name: str, seconds: float = 1.0, **fields) -> BuildStep:
    return BuildStep(**({"name": name, "digest": "d", "status": "done", "duration_s": seconds} | fields))


@pytest.mark.parametrize(
    ("tonight", "last_night"),
    [
        ("[install 3/5] RUN make", "[install 2/4] RUN make"),
        ("[linux/arm64 install 3/5] RUN make", "[linux/arm64 install 2/4] RUN make"),
        (f"[base 1/2] FROM r/base:1@sha256:{'a' * 64}", f"[base 1/2] FROM r/base:1@sha256:{'b' * 64}"),
        ("[a 1/2] RUN make     all", "[a 1/2] RUN make all"),
    ],
)
def test_a_step_has_the_same_name_after_others_moved_it(tonight, last_night):
    assert step_seconds([done(tonight)]).keys() == step_seconds([done(last_night)]).keys()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("[linux/arm64 install 2/4] RUN make", "[linux/amd64 install 2/4] RUN make"),
        ("[install 1/2] RUN make", "[runtime 1/2] RUN make"),
        ("[install 1/2] RUN split 1/2", "[install 1/2] RUN split 2/2"),
        (f"[install 1/2] RUN {'x' * 400} a", f"[install 1/2] RUN {'x' * 400} b"),
    ],
)
def test_other_steps_have_other_names(one, other):
    assert step_seconds([done(one)]).keys() != step_seconds([done(other)]).keys()


def test_only_what_ran_and_ended_well_took_time():
    steps = [
        done("cached", status="cached"),
        done("failed", status="failed"),
        done("internal", internal=True),
        done("[a 1/3] RUN make", 2.0),
        done("[a 2/3] RUN make", 3.0),
    ]
    assert step_seconds(steps) == {"[a] RUN make": 5.0}


def test_a_name_may_be_a_whole_program():
    (name,) = step_seconds([done(f"[a 1/1] RUN <<EOF{'make' * 10_000}EOF")])
    assert len(name) < 350
