from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightly_pipeline.tools.buildx_progress import Progress
from nightly_pipeline.tools.buildx_steps import is_native, printable

SAMPLES = Path(__file__).parent / "data" / "rawjson"
START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def follow(text, *, platform="linux/arm64", natives=("linux/amd64",)):
    lines = []
    progress = Progress(natives=natives, target_platform=platform, log=lines.append)
    for line in text.splitlines():
        progress.feed(line)
    progress.finish()
    return progress, lines


def sample(name, **options):
    return follow((SAMPLES / f"{name}.rawjson").read_text(), **options)


def at(seconds):
    return (START + timedelta(seconds=seconds)).isoformat()


def vertex(name, started=None, completed=None, **rest):
    times = {
        key: at(when) for key, when in (("started", started), ("completed", completed)) if when is not None
    }
    return {"vertexes": [{"digest": f"sha256:{name}", "name": name, **times, **rest}]}


def output(name, text, seconds, stream=1):
    data = base64.b64encode(text.encode()).decode()
    return {"logs": [{"vertex": f"sha256:{name}", "stream": stream, "data": data, "timestamp": at(seconds)}]}


def transfer(what, seconds, current, *, completed=False):
    status = {"id": what, "vertex": "sha256:push", "current": current, "total": 3 * 10**9}
    status |= {"started": at(0), "timestamp": at(seconds)}
    return {"statuses": [{**status, **({"completed": at(seconds)} if completed else {})}]}


def events(*items):
    return "\n".join(json.dumps(item) for item in items)


def steps_of(progress):
    return [step for step in progress.metrics().build_steps if not step.internal]


def test_a_build_from_nothing():
    progress, _ = sample("uncached")
    metrics = progress.metrics()
    assert (metrics.steps, metrics.cached_steps, metrics.hit_rate) == (4, 0, 0.0)
    assert metrics.wall_s == pytest.approx(4.05, abs=0.01)
    assert {step.status for step in steps_of(progress)} == {"done"}
    assert sum(step.duration_s for step in metrics.build_steps) > metrics.wall_s  # steps ran side by side
    assert metrics.pushed_bytes is None


def test_a_build_in_which_nothing_changed_hits_the_cache_always():
    metrics = sample("cached")[0].metrics()
    assert (metrics.steps, metrics.cached_steps, metrics.hit_rate) == (4, 4, 1.0)


def test_cross_compiling_is_not_emulation():
    """In the sample every RUN is of a stage `FROM --platform=$BUILDPLATFORM`, and the image is for arm64."""
    progress, _ = sample("uncached")
    assert progress.metrics().emulated_steps == 0
    runs = [step for step in steps_of(progress) if "RUN" in step.name]
    assert [step.platform for step in runs] == ["linux/amd64"] * 2
    assert any(step.platform == "linux/arm64" for step in steps_of(progress))


def test_a_run_for_another_platform_is_emulated():
    metrics = sample("emulated")[0].metrics()
    (emulated,) = [step for step in metrics.build_steps if step.emulated]
    assert emulated.name == "[linux/arm64 emulated 1/1] RUN uname -m > /arch && cat /arch"
    assert metrics.emulated_steps == 1


def test_on_a_native_builder_nothing_is_emulated():
    assert sample("emulated", natives=("linux/amd64", "linux/arm64"))[0].metrics().emulated_steps == 0


def test_a_platform_that_is_not_named_is_the_images():
    """Without BUILDKIT_MULTI_PLATFORM a step's name has no platform: not knowing must not pass for native."""
    assert sample("unprefixed", platform="linux/amd64")[0].metrics().emulated_steps == 0
    unnamed = events(vertex("[build 1/2] RUN make", 0, 1), vertex("[build 2/2] COPY a b", 1, 2))
    assert follow(unnamed, platform="linux/arm64")[0].metrics().emulated_steps == 1


def test_what_came_from_the_cache_was_not_executed():
    cached = events(vertex("[linux/arm64 a 1/1] RUN make", 0, 0, cached=True))
    assert follow(cached)[0].metrics().emulated_steps == 0


@pytest.mark.parametrize(
    ("platform", "native"),
    [
        ("linux/amd64", True),
        ("linux/amd64/v3", True),
        ("linux/386", True),
        ("linux/arm64", False),
        ("linux/arm/v7", False),
        ("windows/amd64", False),
    ],
)
def test_what_an_amd64_machine_runs_by_itself(platform, native):
    assert is_native(platform, ["linux/amd64"]) is native


def test_a_failed_build_has_metrics_too():
    progress, _ = sample("failed")
    *before, last = steps_of(progress)
    assert {step.status for step in before} == {"done"}
    assert last.status == "failed"
    assert last.error.endswith("exit code: 7")
    assert progress.text.splitlines()[-1].startswith("ERROR: failed to solve")


def test_a_build_that_was_ended_shows_where_it_was():
    progress, lines = sample("killed")
    last = steps_of(progress)[0]
    assert {step.status for step in steps_of(progress)} == {"cached", "cancelled"}
    assert [step.name for step in progress.steps if step.status == "cancelled"] == [
        "[linux/amd64 endless 1/1] RUN echo sleeping; sleep 600"
    ]
    assert last.platform == "linux/amd64"
    assert any(line.endswith("CANCELED") for line in lines)


def test_a_build_of_which_nothing_was_heard_again():
    text = (SAMPLES / "killed.rawjson").read_text()
    cut = text[: text.rindex('"completed"')]
    progress, _ = follow(cut)
    (running,) = [step for step in progress.metrics().build_steps if step.status == "cancelled"]
    assert running.name.endswith("sleep 600")
    assert running.duration_s >= 0
    assert progress.metrics().wall_s > 0


def test_nothing_at_all():
    metrics = follow("")[0].metrics()
    assert (metrics.steps, metrics.hit_rate, metrics.wall_s, metrics.build_steps) == (0, None, 0.0, ())


def test_the_log_reads_like_a_build():
    _, lines = follow(
        events(
            vertex("[a 1/2] RUN make", 0),
            output("[a 1/2] RUN make", "first\nsec", 0.25),
            output("[a 1/2] RUN make", "ond\nrest", 0.5),
            vertex("[b 1/1] COPY x y", 0.1, 0.1, cached=True),
            vertex("[a 1/2] RUN make", 0, 2.25),
            vertex("push", 3),
            transfer("pushing layer", 4.5, 3 * 10**9, completed=True),
            vertex("push", 3, 5, error="failed to push"),
        )
        + "\nERROR: failed to solve"
    )
    assert lines == [
        "#1 [a 1/2] RUN make",
        "#1 0.250 first",
        "#1 0.500 second",
        "#2 [b 1/1] COPY x y",
        "#2 CACHED",
        "#1 rest",
        "#1 DONE 2.2s",
        "#3 push",
        "#3 pushing layer 3 GB / 3 GB 4.5s done",
        "#3 ERROR: failed to push",
        "ERROR: failed to solve",
    ]


def test_a_step_that_has_not_started_is_not_shown():
    progress, lines = follow(events(vertex("[a 1/1] RUN x")))
    assert (lines, progress.steps) == ([], ())


def test_a_long_transfer_shows_now_and_then_that_it_goes_on():
    moves = [transfer("pushing layer", second, second * 10**8) for second in range(31)]
    end = transfer("pushing layer", 31, 3 * 10**9, completed=True)
    _, lines = follow(events(vertex("push", 0), *moves, end, end))
    assert lines[1:] == [
        "#1 pushing layer 1 GB / 3 GB 10.0s",
        "#1 pushing layer 2 GB / 3 GB 20.0s",
        "#1 pushing layer 3 GB / 3 GB 30.0s",
        "#1 pushing layer 3 GB / 3 GB 31.0s done",
    ]


def test_a_base_image_is_resolved_first_and_pulled_later():
    name = "[linux/amd64 a 1/2] FROM base"
    (step,) = follow(events(vertex(name, 0, 1), vertex(name, 5, 8)))[0].metrics().build_steps
    assert (step.duration_s, step.internal) == (4.0, True)


def test_output_cannot_play_with_the_terminal():
    _, lines = follow(
        events(
            vertex("r", 0),
            output("r", "\x1b[31mred\x1b[0m\x07 \x9b2J\n", 1),
            output("r", "10%\r50%\r100%\n\x1b]0;title\x07done\r\n", 1),
        )
    )
    assert lines[1:] == ["#1 1.000 red 2J", "#1 1.000 100%", "#1 1.000 done"]
    assert printable("tab\tstays") == "tab\tstays"


def test_bytes_that_are_not_utf8():
    wrong = base64.b64encode(b"\xff\xfe\n").decode()
    log = {"logs": [{"vertex": "sha256:r", "data": wrong, "timestamp": at(1)}]}
    assert follow(events(vertex("r", 0), log))[1][-1] == "#1 1.000 \ufffd\ufffd"


def test_the_end_of_a_steps_output_is_kept_for_its_error():
    lines = "".join(f"line {number}\n" for number in range(100))
    progress, _ = follow(events(vertex("r", 0), output("r", lines, 1)))
    assert list(progress.steps[0].output) == [f"line {number}" for number in range(80, 100)]


def test_warnings_of_the_linter_are_shown():
    short = base64.b64encode(b"FromAsCasing: 'as' and 'FROM' keywords' casing do not match").decode()
    assert follow(events({"warnings": [{"vertex": "x", "short": short}]}))[1] == [
        "WARNING: FromAsCasing: 'as' and 'FROM' keywords' casing do not match"
    ]
