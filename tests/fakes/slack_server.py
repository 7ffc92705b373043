"""Slack as far as the notifiers know it: an HTTP server on this machine that answers as Slack's API does."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.http_server import Handler, HttpServer

TOKEN = "xoxb-1-secret-of-the-tests"  # noqa: S105
WEBHOOK_PATH = "/services/T000/B000/secret-of-the-webhook"
CHANNEL_ID = "C0123456789"
STARTED = "the channel itself"
MAX_BLOCKS = 50
MAX_BLOCK_CHARACTERS = 13_200
MAX_SECTION, MAX_HEADER, MAX_ELEMENTS, MAX_TEXT = 3_000, 150, 10, 40_000


@dataclass(frozen=True)
class Answer:
    """One canned answer, given instead of the real behaviour."""

    status: int = 200
    body: str | dict[str, Any] = ""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def refusal(cls, code: str) -> Answer:
        return cls(body={"ok": False, "error": code})


@dataclass(frozen=True)
class Request:
    method: str
    arguments: dict[str, Any]


class FakeSlack(HttpServer):
    """Keeps messages as Slack does: by timestamp, updated in place; knows its token and its channel.

    What `will_answer` holds is given first, before the real behaviour; `requests` is all that was asked. It may be
    looked at while it is told: what is looked through is a copy.
    """

    def __init__(self) -> None:
        self.answers: dict[str, deque[Answer]] = {}
        self.requests: list[Request] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self.first_texts: dict[str, str] = {}
        super().__init__(_Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/"

    @property
    def webhook_url(self) -> str:
        return f"{self.address}{WEBHOOK_PATH}"

    def will_answer(self, method: str, *answers: Answer) -> None:
        self.answers.setdefault(method, deque()).extend(answers)

    def asked(self, method: str) -> list[dict[str, Any]]:
        return [request.arguments for request in self.requests if request.method == method]

    def respond(self, method: str, arguments: dict[str, Any], token: str | None) -> Answer:
        self.requests.append(Request(method, arguments))
        if self.answers.get(method):
            return self.answers[method].popleft()
        if method == "webhook":
            return self._webhook(arguments)
        if token != TOKEN:
            return Answer.refusal("invalid_auth")
        refused = _refused_blocks(arguments) or self._refused_place(method, arguments)
        if refused:
            return Answer.refusal(refused)
        return {
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.getPermalink": self._permalink,
        }[method](arguments)

    def history_of(self, timestamp: str) -> list[str]:
        """Every text a message has had, in order."""
        asked = [request.arguments for request in self.requests]
        own = (arguments for arguments in asked if arguments.get("ts") == timestamp and "text" in arguments)
        return [self.first_texts[timestamp], *(arguments["text"] for arguments in own)]

    def heads(self) -> dict[str, dict[str, Any]]:
        """The messages of the channel itself, in no thread."""
        return {stamp: one for stamp, one in list(self.messages.items()) if "thread_ts" not in one}

    def replies(self, timestamp: str) -> list[dict[str, Any]]:
        """The messages in a thread."""
        return [one for one in list(self.messages.values()) if one.get("thread_ts") == timestamp]

    def _refused_place(self, method: str, arguments: dict[str, Any]) -> str | None:
        """A channel Slack does not know, or one the bot is not in; a thread that is not there."""
        channel = str(arguments.get("channel", "")).removeprefix("#")
        if channel in {"gone", ""}:
            return "channel_not_found"
        if channel == "private":
            return "not_in_channel"
        if method == "chat.postMessage" and arguments.get("thread_ts", STARTED) not in {
            *self.messages,
            STARTED,
        }:
            return "thread_not_found"
        return None

    def _webhook(self, arguments: dict[str, Any]) -> Answer:
        self.messages[f"webhook-{len(self.messages)}"] = arguments
        return Answer(body="ok")

    def _post(self, arguments: dict[str, Any]) -> Answer:
        timestamp = f"1763600000.{len(self.messages):06d}"
        self.first_texts[timestamp] = str(arguments.get("text", ""))
        self.messages[timestamp] = dict(arguments)
        return Answer(body={"ok": True, "channel": CHANNEL_ID, "ts": timestamp})

    def _update(self, arguments: dict[str, Any]) -> Answer:
        if arguments["channel"] != CHANNEL_ID:
            return Answer.refusal("channel_not_found")
        if arguments["ts"] not in self.messages:
            return Answer.refusal("message_not_found")
        self.messages[arguments["ts"]] |= arguments
        return Answer(body={"ok": True, "channel": CHANNEL_ID, "ts": arguments["ts"]})

    def _permalink(self, arguments: dict[str, Any]) -> Answer:
        place = f"{arguments['channel']}/p{arguments['message_ts'].replace('.', '')}"
        return Answer(body={"ok": True, "permalink": f"https://example.slack.com/archives/{place}"})


class _Handler(Handler):
    def any_method(self) -> None:
        content = self.read_body().decode()
        if self.has_hung_up():  # and says the same again later: what it could not hear of has not happened
            self.close_connection = True
            return
        is_json = (self.headers.get("Content-Type") or "").startswith("application/json")
        arguments = json.loads(content) if is_json else {k: v[0] for k, v in parse_qs(content).items()}
        method = "webhook" if self.path == WEBHOOK_PATH else self.path.removeprefix("/api/")
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.give_answer(self.server.owner.respond(method, arguments, token))

    def give_answer(self, answer: Answer) -> None:
        is_json = isinstance(answer.body, dict)
        content = (json.dumps(answer.body) if is_json else str(answer.body)).encode()
        kind = "application/json" if is_json else "text/html"
        self.give(answer.status, content, {"Content-Type": kind, **answer.headers})


def _refused_blocks(arguments: dict[str, Any]) -> str | None:
    """What Slack says of blocks that are too many, too long or not built as documented."""
    blocks = arguments.get("blocks") or []
    blocks = json.loads(blocks) if isinstance(blocks, str) else blocks
    if len(blocks) > MAX_BLOCKS or len(json.dumps(blocks, ensure_ascii=False)) > MAX_BLOCK_CHARACTERS:
        return "msg_blocks_too_long"
    if len(str(arguments.get("text", ""))) > MAX_TEXT:
        return "msg_too_long"
    return None if all(_is_block(block) for block in blocks) else "invalid_blocks"


def _is_block(block: dict[str, Any]) -> bool:
    parts = block.get("elements", []) if block["type"] == "context" else [block.get("text", {})]
    limit = MAX_HEADER if block["type"] == "header" else MAX_SECTION
    kinds = {"plain_text"} if block["type"] == "header" else {"plain_text", "mrkdwn"}
    return (
        block["type"] in {"header", "section", "context", "divider"}
        and 0 < len(parts) <= MAX_ELEMENTS
        and all(part.get("type") in kinds and 0 < len(part.get("text", "")) <= limit for part in parts)
    )
