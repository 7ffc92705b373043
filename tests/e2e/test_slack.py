"""What the team sees of a night in Slack: one message from its start to its end, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from docker.errors import APIError
from docker.models.containers import Container

from nightly_pipeline.model.announcement import Announcement
from tests.e2e.conftest import A_TEST_S, NIGHTLY, ROOT, SmallNight, git, make_night
from tests.e2e.test_broken_night import FAILING_TEST
from tests.e2e.test_interruptions import SLOW_TEST, containers, is_testing, step_of, wait_for
from tests.fakes.slack_server import TOKEN, Answer, FakeSlack

# The tests tell one story, in order; the first starts with building the images.
pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(A_TEST_S)]

SMALL = {
    "architectures": {"arm64": None},
    "frameworks": {"vllm": {"overrides": None}},
    "stages": {
        "unit": {"environment": {"HELD": "yes"}},
        "integration": {"markers": "integration and gpu_0", "environment": {"HELD": "yes"}},
        "e2e_single_gpu": None,
        "e2e_multi_gpu": None,
    },
}
SUITE = Path("docker") / "suite" / "unit"
HELD_TEST = '''
"""Put in to be waited for: a stage goes on when it is told so."""

import os
import time
from pathlib import Path

import pytest


@pytest.mark.vllm
@pytest.mark.{level}
@pytest.mark.gpu_0
@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_that_is_held():
    while os.environ["HELD"] == "yes" and not Path("/tmp/let-go").exists():
        time.sleep(0.1)
'''


@pytest.fixture(scope="module")
def night(place: Path, slack: FakeSlack) -> SmallNight:
    small = make_night(place, ("vllm",), SMALL)
    profile = yaml.safe_load(small.profile.read_text())
    small.profile.write_text(yaml.safe_dump({**profile, "slack": {"update_every_s": 1}}))
    small.variables.update(
        SLACK_BOT_TOKEN=TOKEN, NIGHTLY_SLACK_CHANNEL="nightly", NIGHTLY_SLACK_BASE_URL=slack.base_url
    )
    (small.source / SUITE / "test_broken_on_purpose.py").write_text(FAILING_TEST)
    for level in ("unit", "integration"):
        held = small.source / SUITE.with_name(level) / f"test_held_{level}.py"
        held.write_text(HELD_TEST.format(level=level))
    commit(small, "Break a test")
    run_to_a_red_end(small, slack)
    small.profile.write_text(small.profile.read_text().replace("HELD: 'yes'", "HELD: 'no'"))
    return small


def run_to_a_red_end(night: SmallNight, slack: FakeSlack) -> None:
    """A night that goes on when the team was told that it runs, and ends when it was told how far it has come."""
    with under_way(night) as process:

        def told(times: int) -> bool:
            texts = [text for stamp in slack.heads() for text in slack.history_of(stamp)]
            return sum(": running" in text for text in texts) >= times

        def at_work() -> bool:
            assert process.poll() is None, f"it ended early: {process.returncode}"
            return True

        def has_ended() -> bool:
            let_go(night, "")  # what is run again is held, too
            return process.poll() is not None

        wait_for("a message", lambda: at_work() and told(1))
        wait_for("the unit tests", lambda: at_work() and let_go(night, "unit"))
        wait_for("an update", lambda: at_work() and told(2))
        wait_for("its end", has_ended)
        assert process.returncode == 1


@contextmanager
def under_way(night: SmallNight) -> Iterator[subprocess.Popen[bytes]]:
    argv = [str(NIGHTLY), "run", "--profile", str(night.profile), "--plain"]
    with subprocess.Popen(argv, cwd=ROOT, env=night.environment(), stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def let_go(night: SmallNight, stage: str) -> bool:
    """Let the tests of a stage go on; False when they have not begun."""
    with containers(night) as found:
        told = [_is_told(one) for one in found if stage in step_of(one)]
        return any(told)


def _is_told(container: Container) -> bool:
    try:
        return container.exec_run(["touch", "/tmp/let-go"]).exit_code == 0  # noqa: S108 - the container's own
    except APIError:  # not running yet, or not any more
        return False


def commit(night: SmallNight, subject: str) -> None:
    git(night.source, "add", "-A")
    git(night.source, "commit", "-q", "-m", subject)


def only_message(slack: FakeSlack) -> tuple[str, dict]:
    (found,) = slack.heads().items()
    return found


def shown(message: dict) -> str:
    return json.dumps(message["blocks"], ensure_ascii=False)


def announcement(night: SmallNight) -> Announcement:
    (path,) = (night.home / "slack" / "nights").glob("*.json")
    return Announcement.model_validate_json(path.read_text())


def test_a_red_night_is_one_message_that_followed_it_from_its_start(
    night: SmallNight, slack: FakeSlack
) -> None:
    timestamp, message = only_message(slack)
    texts = slack.history_of(timestamp)
    assert ": running" in texts[0]
    assert [": running" in text for text in texts[:2]] == [True, True], "it was updated while the night ran"
    assert ": red, mock engine" in texts[-1]
    assert [text for text in texts if ": green" in text] == []
    assert "test_that_fails" in shown(message)
    assert "broken on purpose" in shown(message)
    assert "MOCK ENGINE" in shown(message)
    assert "took " in shown(message)


def test_its_thread_has_the_failure(night: SmallNight, slack: FakeSlack) -> None:
    timestamp, _ = only_message(slack)
    (reply,) = slack.replies(timestamp)
    assert "test_broken_on_purpose.py::test_that_fails" in shown(reply)
    assert "vllm/amd64" in shown(reply)
    assert announcement(night).final


def test_a_second_run_of_the_night_updates_the_message_and_says_so_in_the_thread(
    night: SmallNight, slack: FakeSlack
) -> None:
    first = night.report()["run_id"]
    night.nightly("rerun", first[:8], "--failed", expect=1)
    again = night.report()["run_id"]
    timestamp, message = only_message(slack)
    said = [reply["text"] for reply in slack.replies(timestamp)]
    (told,) = [text for text in said if f"Run {again[:8]} repeats {first[:8]}" in text]
    assert "the night stays red" in told
    assert f"Re-run: {again[:8]} repeats {first[:8]}." in shown(message)


def test_a_killed_night_is_continued_in_the_same_message(night: SmallNight, slack: FakeSlack) -> None:
    (night.source / SUITE / "test_broken_on_purpose.py").write_text(SLOW_TEST)
    commit(night, "Take time")
    with under_way(night) as process:
        wait_for("the stage's container", lambda: is_testing(night))
        wait_for("the message", lambda: ": running" in only_message(slack)[1]["text"])
        os.kill(process.pid, signal.SIGKILL)
    assert not announcement(night).final

    mended = FAILING_TEST.replace("1 == 2", "1 == 1")
    (night.source / SUITE / "test_broken_on_purpose.py").write_text(mended)
    commit(night, "Mend it")
    night.nightly("run")
    timestamp, message = only_message(slack)
    assert ": green, mock engine" in message["text"]
    assert announcement(night).final
    newest = night.report()["run_id"][:8]
    said = [reply["text"] for reply in slack.replies(timestamp)]
    assert any(f"Run {newest} is another run of this night" in text and "green now" in text for text in said)
    assert any(text.startswith("No longer so") and "broken on purpose" in text for text in said)


def test_an_outage_is_made_up_for_by_the_next_command(night: SmallNight, slack: FakeSlack) -> None:
    told = announcement(night)
    for method in ("chat.postMessage", "chat.update"):
        slack.will_answer(method, *[Answer.refusal("invalid_auth")] * 10_000)
    night.nightly("run", "--images-only", "--reuse")
    assert not announcement(night).final
    assert announcement(night).failures > 0
    slack.answers.clear()
    night.nightly("run", "--images-only", "--reuse")
    timestamp, message = only_message(slack)
    assert announcement(night).final
    assert ": green" in message["text"]
    assert len(announcement(night).verdicts) > len(told.verdicts)
    assert len(slack.replies(timestamp)) > len(told.replies)


def test_a_message_left_unsaid_by_a_killed_night_is_finished_by_another_nights_command(
    night: SmallNight, slack: FakeSlack
) -> None:
    (path,) = (night.home / "slack" / "nights").glob("*.json")
    hours_ago = datetime.now(UTC) - timedelta(hours=3)
    left = announcement(night).model_copy(
        update={"final": False, "begun_at": hours_ago, "told_at": hours_ago}
    )
    path.write_text(left.model_dump_json())
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    date = {"GIT_COMMITTER_DATE": f"{yesterday}T01:00:00Z", "GIT_AUTHOR_DATE": f"{yesterday}T01:00:00Z"}
    subprocess.run(
        [
            "git",
            "-c",
            "user.name=T",
            "-c",
            "user.email=t@example.com",
            "commit",
            "-q",
            "--amend",
            "--no-edit",
        ],
        cwd=night.source,
        env={**os.environ, **date},
        check=True,
    )
    night.nightly("run", "--date", yesterday, "--images-only")
    assert Announcement.model_validate_json(path.read_text()).final
    assert len(slack.heads()) == 2, "yesterday's night has a message of its own"


def test_the_token_is_in_nothing_the_nights_left(night: SmallNight) -> None:
    written = [path for path in night.home.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in written), "Dagster's records are among them"
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
