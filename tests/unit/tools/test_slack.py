from __future__ import annotations

import logging
import time
from dataclasses import replace

import pytest

from nightly_pipeline.errors import DiskFull, NotificationError
from nightly_pipeline.tools.slack import NullNotifier, SlackNotifier, WebhookNotifier
from nightly_pipeline.tools.slack_transport import BRISK, Patience
from tests.fakes.slack_server import CHANNEL_ID, TOKEN, WEBHOOK_PATH, Answer, FakeSlack

NIGHT = "2026-11-20"
HASTY = Patience(first_wait_s=0.01, timeout_s=300)


class Records:
    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.full = False

    def write(self, key: str, content: bytes) -> None:
        if self.full:
            raise DiskFull("no space is left")
        self.content[key] = content

    def read(self, key: str) -> bytes | None:
        return self.content.get(key)


@pytest.fixture
def records() -> Records:
    return Records()


def notifier(slack: FakeSlack, records: Records, token: str = TOKEN) -> SlackNotifier:
    return SlackNotifier(token, "#nightly-builds", state=records, base_url=slack.base_url, patience=HASTY)


def section(text: str) -> dict[str, object]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_the_first_post_sends_and_later_ones_update_the_same_message(slack, records):
    team = notifier(slack, records)
    first = team.post(text="running", blocks=[section("running")], key=NIGHT)
    second = team.post(text="green", blocks=[section("green")], key=NIGHT)
    assert [message["text"] for message in slack.messages.values()] == ["green"]
    assert first == second == f"https://example.slack.com/archives/{CHANNEL_ID}/p1763600000000000"


def test_an_update_names_the_channel_by_its_id(slack, records):
    team = notifier(slack, records)
    team.post(text="a", blocks=[], key=NIGHT)
    team.post(text="b", blocks=[], key=NIGHT)
    assert slack.asked("chat.postMessage")[0]["channel"] == "#nightly-builds"
    assert slack.asked("chat.update")[0]["channel"] == CHANNEL_ID


def test_a_restart_continues_the_message(slack, records):
    notifier(slack, records).post(text="running", blocks=[], key=NIGHT)
    notifier(slack, records).post(text="green", blocks=[], key=NIGHT)
    assert [message["text"] for message in slack.messages.values()] == ["green"]


def test_every_key_has_a_message_of_its_own(slack, records):
    team = notifier(slack, records)
    team.post(text="one night", blocks=[], key="2026-11-19")
    team.post(text="another", blocks=[], key="2026-11-20")
    assert sorted(message["text"] for message in slack.messages.values()) == ["another", "one night"]


@pytest.mark.parametrize("code", ["message_not_found", "cant_update_message", "edit_window_closed"])
def test_a_message_deleted_meanwhile_is_sent_anew_and_then_updated(slack, records, code):
    team = notifier(slack, records)
    team.post(text="running", blocks=[], key=NIGHT)
    slack.will_answer("chat.update", Answer.refusal(code))
    team.post(text="red", blocks=[], key=NIGHT)
    team.post(text="green", blocks=[], key=NIGHT)
    assert [message["text"] for message in slack.messages.values()] == ["running", "green"]


@pytest.mark.parametrize("code", ["invalid_auth", "ratelimited", "fatal_error"])
def test_an_update_that_fails_does_not_make_a_second_message(slack, records, code):
    team = notifier(slack, records)
    team.post(text="running", blocks=[], key=NIGHT)
    slack.will_answer("chat.update", Answer.refusal(code))
    with pytest.raises(NotificationError, match=code):
        team.post(text="red", blocks=[], key=NIGHT)
    assert [message["text"] for message in slack.messages.values()] == ["running"]


@pytest.mark.parametrize("record", [b"", b"{", b"[]", b'"x"', b"{}", b'{"channel": "C1"}', b"\xff"])
def test_a_record_that_cannot_be_read_counts_as_none(slack, records, record):
    team = notifier(slack, records)
    team.post(text="a", blocks=[], key=NIGHT)
    records.content = dict.fromkeys(records.content, record)
    team.post(text="b", blocks=[], key=NIGHT)
    assert [message["text"] for message in slack.messages.values()] == ["a", "b"]


def test_a_full_disk_does_not_make_a_sent_message_look_unsent(slack, records, caplog):
    records.full = True
    assert notifier(slack, records).post(text="a", blocks=[], key=NIGHT) is not None
    assert "will be sent anew" in caplog.text


def test_a_thread_message_goes_below_the_message_of_the_other_key(slack, records):
    team = notifier(slack, records)
    team.post(text="the night", blocks=[], key=NIGHT)
    team.post(text="details", blocks=[], key=f"{NIGHT}/details", thread_of=NIGHT)
    assert slack.asked("chat.postMessage")[1]["thread_ts"] == "1763600000.000000"


def test_a_thread_without_its_message_goes_to_the_channel(slack, records):
    notifier(slack, records).post(text="details", blocks=[], key="details", thread_of="never sent")
    assert "thread_ts" not in slack.asked("chat.postMessage")[0]


def test_a_rate_limit_is_waited_for(slack, records):
    slack.will_answer("chat.postMessage", Answer(429, {"ok": False}, {"Retry-After": "1"}))
    started = time.monotonic()
    notifier(slack, records).post(text="a", blocks=[], key=NIGHT)
    assert time.monotonic() - started >= 1
    assert len(slack.messages) == 1


@pytest.mark.parametrize("retry_after", ["3600", "soon", ""])
def test_a_rate_limit_of_an_hour_or_of_nonsense_is_not_waited_for(slack, records, retry_after):
    answer = Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": retry_after})
    slack.will_answer("chat.postMessage", answer)
    with pytest.raises(NotificationError, match="ratelimited"):
        notifier(slack, records).post(text="a", blocks=[], key=NIGHT)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_that_passes_is_no_error(slack, records, status):
    slack.will_answer("chat.postMessage", Answer(status, "<html>a gateway</html>"))
    assert notifier(slack, records).post(text="a", blocks=[], key=NIGHT) is not None


def test_a_server_error_that_stays_is_a_notification_error(slack, records):
    slack.will_answer("chat.postMessage", *[Answer(503, "<html>a gateway</html>")] * 10)
    with pytest.raises(NotificationError, match="http_503"):
        notifier(slack, records).post(text="a", blocks=[], key=NIGHT)


def test_an_answer_that_is_not_json_is_a_notification_error(slack, records):
    slack.will_answer("chat.postMessage", Answer(200, "<html>log in to the guest network</html>"))
    with pytest.raises(NotificationError):
        notifier(slack, records).post(text="a", blocks=[], key=NIGHT)


def test_slack_not_reachable_is_a_notification_error(records):
    team = SlackNotifier(TOKEN, "#c", state=records, base_url="http://127.0.0.1:1/api/", patience=HASTY)
    with pytest.raises(NotificationError, match="could not be reached"):
        team.post(text="a", blocks=[], key=NIGHT)


@pytest.mark.parametrize(
    ("code", "advice"),
    [("invalid_auth", "SLACK_BOT_TOKEN"), ("not_in_channel", "/invite"), ("fatal_error", "nightly")],
)
def test_a_refusal_says_its_code_and_what_to_do(slack, records, code, advice):
    slack.will_answer("chat.postMessage", Answer.refusal(code))
    with pytest.raises(NotificationError, match=code) as caught:
        notifier(slack, records).post(text="a", blocks=[], key=NIGHT)
    assert advice in caught.value.next_step


def test_blocks_that_slack_refuses_leave_the_text(slack, records):
    slack.will_answer("chat.postMessage", Answer.refusal("msg_blocks_too_long"))
    notifier(slack, records).post(text="red: 3 failures", blocks=[section("x")], key=NIGHT)
    (message,) = slack.messages.values()
    assert message["text"].startswith("red: 3 failures\n")
    assert "msg_blocks_too_long" in message["text"]
    assert not message.get("blocks")


def test_too_many_blocks_are_cut_before_slack_sees_them(slack, records):
    notifier(slack, records).post(text="a", blocks=[section("x")] * 60, key=NIGHT)
    (message,) = slack.messages.values()
    assert len(message["blocks"]) == 45
    assert "16 more blocks" in message["blocks"][-1]["elements"][0]["text"]


def test_a_permalink_that_is_not_told_is_none(slack, records):
    slack.will_answer("chat.getPermalink", Answer.refusal("message_not_found"))
    assert notifier(slack, records).post(text="a", blocks=[], key=NIGHT) is None


def test_who_comes_again_soon_does_not_wait_long(slack, records):
    limited = Answer(429, {"ok": False, "error": "ratelimited"}, {"Retry-After": "6"})
    slack.will_answer("chat.postMessage", limited)
    brisk = replace(BRISK, timeout_s=300)
    team = SlackNotifier(TOKEN, "#c", state=records, base_url=slack.base_url, patience=brisk)
    with pytest.raises(NotificationError, match="ratelimited"):
        team.post(text="a", blocks=[], key=NIGHT)
    assert len(slack.asked("chat.postMessage")) == 1, "who waits asks again"


def test_where_a_message_can_be_seen_is_asked_once(slack, records):
    team = notifier(slack, records)
    addresses = {team.post(text=f"{number}", blocks=[], key=NIGHT) for number in range(3)}
    assert len(addresses) == 1
    assert len(slack.asked("chat.getPermalink")) == 1


@pytest.mark.parametrize("code", ["channel_not_found", "not_in_channel", "is_archived"])
def test_a_channel_that_is_not_there_is_named_with_what_to_do(slack, records, code):
    slack.will_answer("chat.postMessage", Answer.refusal(code))
    with pytest.raises(NotificationError, match=code) as caught:
        notifier(slack, records).post(text="a", blocks=[], key=NIGHT)
    assert "invite" in caught.value.next_step
    assert slack.messages == {}


def test_the_token_is_in_no_repr_log_or_exception(slack, records, caplog):
    caplog.set_level(logging.DEBUG)
    wrong = "xoxb-wrong-and-secret"
    team = notifier(slack, records, token=wrong)
    with pytest.raises(NotificationError) as caught:
        team.post(text="a", blocks=[], key=NIGHT)
    seen = repr(team) + caplog.text + str(caught.value) + repr(caught.value.__cause__)
    assert wrong not in seen
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_webhook_message_is_sent(slack):
    WebhookNotifier(slack.webhook_url, patience=HASTY).post(
        text="green", blocks=[section("green")], key=NIGHT
    )
    (message,) = slack.messages.values()
    assert message == {"text": "green", "blocks": [section("green")]}


def test_a_webhook_waits_out_limits_and_server_errors(slack):
    slack.will_answer("webhook", Answer(429, "", {"Retry-After": "0"}), Answer(502, "<html>"))
    WebhookNotifier(slack.webhook_url, patience=HASTY).post(text="green", blocks=[], key=NIGHT)
    assert len(slack.messages) == 1


def test_a_webhook_whose_blocks_are_refused_sends_the_text(slack):
    slack.will_answer("webhook", Answer(400, "invalid_blocks"))
    WebhookNotifier(slack.webhook_url, patience=HASTY).post(text="red", blocks=[section("x")], key=NIGHT)
    (message,) = slack.messages.values()
    assert "invalid_blocks" in message["text"]
    assert "blocks" not in message


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(404, "no_service"), "no_service"),
        (Answer(403, ""), "http_403"),
        (Answer(400, "<html>x"), "unreadable_answer"),
    ],
)
def test_a_webhook_that_refuses_is_a_notification_error_without_its_address(slack, caplog, answer, code):
    caplog.set_level(logging.DEBUG)
    slack.will_answer("webhook", answer)
    webhook = WebhookNotifier(slack.webhook_url, patience=HASTY)
    with pytest.raises(NotificationError, match=code) as caught:
        webhook.post(text="a", blocks=[], key=NIGHT)
    assert WEBHOOK_PATH not in repr(webhook) + caplog.text + str(caught.value)


def test_without_slack_nothing_is_sent_and_the_log_says_so(caplog):
    caplog.set_level(logging.INFO)
    NullNotifier().post(text="a", blocks=[], key=NIGHT)
    assert "Slack is not configured" in caplog.text
