"""What the team is told, when, and where: one message a night, whatever happens to whoever tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from nightly_pipeline.errors import DiskFull, NotificationError
from nightly_pipeline.model.history import TestIdentity
from nightly_pipeline.model.judgement import Incident, Judgement, Verdict
from nightly_pipeline.model.links import NO_LINKS
from nightly_pipeline.model.report import Report
from nightly_pipeline.steps.announce import Announcer
from tests.factories import DATE, RUN_ID, STARTED, image, run_facts, stage, whole_night
from tests.fakes.store import MemoryStore
from tests.fakes.team import FakeClock, FakeNotifier, FakeTurns

NIGHT = f"night-{DATE}"
AGAIN = "2b4d6f80-0000-4000-8000-000000000000"


@dataclass
class Team:
    """An announcer and all that it works with."""

    notifier: FakeNotifier = field(default_factory=FakeNotifier)
    store: MemoryStore = field(default_factory=MemoryStore)
    turns: FakeTurns = field(default_factory=FakeTurns)
    clock: FakeClock = field(default_factory=FakeClock)

    @property
    def announcer(self) -> Announcer:
        """A new one each time, as after a restart."""
        return Announcer(self.notifier, self.store, self.turns, timedelta(seconds=20), clock=self.clock)

    def follow(self, report: Report) -> bool:
        return self.announcer.follow(report, NO_LINKS)

    def conclude(self, report: Report) -> str | None:
        return self.announcer.conclude(report, NO_LINKS)

    def text(self, key: str) -> str:
        return json.dumps(self.notifier.shown[key], ensure_ascii=False)


@pytest.fixture
def team() -> Team:
    return Team()


def running(done: int = 0, **fields) -> Report:
    changed = [image("vllm", "amd64", "framework")][:done]
    waiting = [stage("vllm", "amd64", name, "not_run") for name in ("unit", "integration", "e2e_single_gpu")]
    runs = fields.pop("runs", (run_facts("running"),))
    return whole_night(*changed, *waiting[done:], runs=runs, **fields)


def broken(**fields) -> Report:
    return whole_night(
        stage("vllm", "amd64", "unit", "failed"), stage("sglang", "amd64", "unit", "crashed"), **fields
    )


def rerun(state: str = "succeeded", **fields):
    return run_facts(state, run_id=AGAIN, rerun_of=RUN_ID, started_at=STARTED + timedelta(hours=4), **fields)


def test_a_night_is_one_message_from_its_start_to_its_end(team) -> None:
    assert team.follow(running(0))
    team.clock.forward(seconds=30)
    assert team.follow(running(1))
    assert team.conclude(whole_night()) == f"https://slack.example/{NIGHT}"
    assert team.notifier.keys() == [NIGHT, NIGHT, NIGHT]
    assert "running" in team.notifier.posts[0][2]
    assert "green" in team.notifier.posts[-1][2]


def test_a_running_night_is_told_of_no_more_often_than_agreed(team) -> None:
    team.follow(running(0))
    team.clock.forward(seconds=19)
    assert not team.follow(running(1))
    team.clock.forward(seconds=1)
    assert team.follow(running(1))


def test_a_clock_that_was_wrong_silences_nobody(team) -> None:
    team.clock.forward(hours=30)
    team.follow(running(0))
    team.clock.forward(hours=-30)
    assert [said.date for said in team.announcer.unfinished()] == [DATE]
    assert team.follow(running(1))


def test_nothing_new_is_not_told(team) -> None:
    team.follow(running(0))
    team.clock.forward(minutes=5)
    assert not team.follow(running(0))
    assert len(team.notifier.posts) == 1


def test_while_another_process_is_at_it_a_running_night_is_left_to_it(team) -> None:
    team.turns.taken = True
    assert not team.follow(running(0))
    with pytest.raises(NotificationError, match="another process"):
        team.conclude(whole_night())
    assert team.notifier.posts == []


def test_a_late_look_at_a_running_night_does_not_undo_its_last_form(team) -> None:
    team.conclude(whole_night())
    team.clock.forward(minutes=1)
    assert not team.follow(running(2))
    assert "green" in team.notifier.posts[-1][2]


def test_the_last_form_is_sent_again_when_a_person_asks_for_it(team) -> None:
    team.conclude(whole_night())
    team.conclude(whole_night())
    assert team.notifier.keys() == [NIGHT, NIGHT]


def test_each_troubled_cell_has_its_reply_which_stays_its_own(team) -> None:
    team.conclude(broken())
    replies = [f"{NIGHT}-vllm/amd64", f"{NIGHT}-sglang/amd64"]
    assert sorted(team.notifier.keys()[1:]) == sorted(replies)
    assert {thread for _, thread, _ in team.notifier.posts[1:]} == {NIGHT}
    team.conclude(broken())
    assert team.notifier.keys()[3:] == [NIGHT], "what did not change is not sent again"


def test_each_incident_has_its_reply(team) -> None:
    test = TestIdentity(framework="vllm", arch="amd64", stage="unit", node_id="a.py::test_a")
    incident = Incident(
        id="4f1c", title="e", verdict=Verdict.NEW, tests=(test,), cells=(test.cell,), since=DATE, nights=1
    )
    team.conclude(whole_night(judgement=Judgement(incidents=(incident,))))
    assert team.notifier.keys() == [NIGHT, f"{NIGHT}-incident-4f1c"]


def test_a_run_at_noon_updates_the_mornings_message_and_says_so_in_its_thread(team) -> None:
    team.conclude(broken())
    team.clock.forward(hours=1)
    repeats = run_facts(), rerun("running", planned=(("vllm", "amd64", "unit_tests"),))
    team.follow(running(0, runs=repeats))
    key, thread, text = team.notifier.posts[-1]
    assert (key, thread) == (f"{NIGHT}-run-{AGAIN}", NIGHT)
    assert "Run 2b4d6f80 repeats 1f3a9c02: 1 step, begun at 2026-11-20 12:00 UTC." in text
    assert "follows it" in text

    team.conclude(whole_night(runs=(run_facts(), rerun())))
    said = {key: text for key, _, text in team.notifier.posts}
    assert "the night is green now, it was red before" in said[f"{NIGHT}-run-{AGAIN}"]
    assert "No longer so" in said[f"{NIGHT}-vllm/amd64"]
    assert "vllm/amd64: unit failed" in said[f"{NIGHT}-vllm/amd64"]
    assert "Re-run: 2b4d6f80 repeats 1f3a9c02." in team.text(NIGHT)


def test_what_went_away_and_comes_back_is_told_in_its_place(team) -> None:
    team.conclude(broken())
    team.conclude(whole_night())
    team.conclude(broken())
    assert team.notifier.keys().count(f"{NIGHT}-vllm/amd64") == 3
    assert "No longer so" not in team.text(f"{NIGHT}-vllm/amd64")


def test_a_night_of_the_past_says_when_it_was_run(team) -> None:
    late = run_facts(started_at=STARTED + timedelta(days=5))
    team.conclude(whole_night(runs=(late,), started_at=late.started_at))
    assert "Run on 2026-11-25: this is a night of the past." in team.text(NIGHT)


def test_a_night_that_still_runs_elsewhere_has_no_last_form_yet(team) -> None:
    team.conclude(running(1))
    team.clock.forward(hours=1)
    assert [said.date for said in team.announcer.unfinished()] == [DATE]


def test_an_outage_is_made_up_for_and_the_delay_is_owned(team) -> None:
    team.notifier.down = True
    with pytest.raises(NotificationError):
        team.conclude(whole_night())
    assert team.announcer.unfinished() == [], "not at once"
    team.clock.forward(minutes=11)
    assert [said.date for said in team.announcer.unfinished()] == [DATE]
    team.notifier.down = False
    team.conclude(whole_night())
    assert team.notifier.keys() == [NIGHT]
    assert "This comes late: Slack could not be told from 2026-11-20 12:00 UTC on." in team.text(NIGHT)
    team.clock.forward(hours=5)
    assert team.announcer.unfinished() == []


def test_a_long_outage_is_tried_less_and_less_and_given_up_in_the_end(team) -> None:
    team.notifier.down = True
    tries = 0
    for _ in range(24 * 6 * 5):
        if team.announcer.unfinished() or tries == 0:
            with pytest.raises(NotificationError):
                team.conclude(whole_night())
            tries += 1
        team.clock.forward(minutes=10)
    assert 10 < tries < 30


def test_a_thread_that_broke_off_is_continued_where_it_did(team) -> None:
    team.notifier.fails_at = f"{NIGHT}-vllm/amd64"
    with pytest.raises(NotificationError):
        team.conclude(broken())
    before = len(team.notifier.posts)
    team.notifier.fails_at = None
    team.conclude(broken())
    after = team.notifier.keys()[before:]
    assert f"{NIGHT}-vllm/amd64" in after
    assert team.notifier.keys().count(f"{NIGHT}-sglang/amd64") == 1
    team.clock.forward(hours=1)
    assert team.announcer.unfinished() == []


def test_a_night_whose_process_was_killed_is_unfinished(team) -> None:
    team.follow(running(0))
    team.clock.forward(minutes=9)
    assert team.announcer.unfinished() == []
    team.clock.forward(minutes=1)
    assert [said.date for said in team.announcer.unfinished()] == [DATE]


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_who_is_killed_while_slack_is_being_told_leaves_on_record_that_it_is_unfinished(team, state) -> None:
    team.conclude(whole_night())
    report = broken(runs=(run_facts("succeeded"), rerun(state)), run_id=AGAIN)
    left, post = [], team.notifier.post

    def killed_afterwards(**message) -> str | None:
        left.append(dict(team.store.kept))
        return post(**message)

    team.clock.forward(minutes=5)
    team.notifier.post = killed_afterwards
    team.follow(report) if state == "running" else team.conclude(report)
    team.store.kept = left[0]
    team.clock.forward(minutes=10)
    assert [said.date for said in team.announcer.unfinished()] == [DATE]


def test_while_slack_is_down_a_running_night_tries_ever_more_seldom(team) -> None:
    team.notifier.down = True
    tries = 0
    for second in range(0, 1800, 20):
        try:
            team.follow(running(0, profile=f"local {second}"))
        except NotificationError:
            tries += 1
        team.clock.forward(seconds=20)
    assert 5 < tries < 15


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b"\xff", b'{"date": 1}'])
def test_a_record_that_cannot_be_read_counts_as_none(team, record: bytes) -> None:
    team.follow(running(0))
    team.store.kept = dict.fromkeys(team.store.kept, record)
    assert team.announcer.unfinished() == []
    team.conclude(whole_night())
    assert team.announcer.said(DATE).final


def test_a_full_disk_is_an_error_of_ours(team) -> None:
    team.store.refusals[".json"] = DiskFull("no space is left")
    with pytest.raises(DiskFull):
        team.conclude(whole_night())


@pytest.fixture
def webhook() -> Team:
    return Team(notifier=FakeNotifier(can_update=False))


def test_a_webhook_gets_the_last_form_alone_and_once(webhook) -> None:
    assert not webhook.follow(running(0))
    webhook.clock.forward(minutes=1)
    assert not webhook.follow(running(1))
    webhook.conclude(broken())
    webhook.conclude(broken())
    assert webhook.notifier.keys() == [NIGHT]


def test_a_webhook_is_told_of_a_run_that_changed_the_night(webhook) -> None:
    webhook.conclude(broken())
    webhook.conclude(whole_night(runs=(run_facts(), rerun())))
    assert webhook.notifier.keys() == [NIGHT, NIGHT]
    assert "Re-run: 2b4d6f80 repeats 1f3a9c02." in webhook.text(NIGHT)


def test_a_webhooks_message_that_did_not_go_out_is_sent_later(webhook) -> None:
    webhook.notifier.down = True
    with pytest.raises(NotificationError):
        webhook.conclude(broken())
    webhook.notifier.down = False
    webhook.clock.forward(minutes=11)
    assert webhook.announcer.unfinished()
    webhook.conclude(broken())
    assert webhook.notifier.keys() == [NIGHT]
    webhook.conclude(broken())
    assert webhook.notifier.keys() == [NIGHT], "that it came late is no news"
