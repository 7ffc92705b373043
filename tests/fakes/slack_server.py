"""Slack as far as the notifiers know it: an HTTP server on this machine that answers as Slack's API does."""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

TOKEN = "xoxb-1-secret-of-the-tests"  # noqa: S105
WEBHOOK_PATH = "/services/T000/B000/secret-of-the-webhook"
CHANNEL_ID = "C0123456789"
MAX_BLOCKS = 50


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


class FakeSlack:
    """Keeps messages as Slack does: by timestamp, updated in place; knows its token and its channel.

    What `will_answer` holds is given first, before the real behaviour; `requests` is all that was asked.
    """

    def __init__(self) -> None:
        self.answers: dict[str, deque[Answer]] = {}
        self.requests: list[Request] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

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
        if len(arguments.get("blocks", [])) > MAX_BLOCKS:
            return Answer.refusal("msg_blocks_too_long")
        return {
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.getPermalink": self._permalink,
        }[method](arguments)

    def _webhook(self, arguments: dict[str, Any]) -> Answer:
        self.messages[f"webhook-{len(self.messages)}"] = arguments
        return Answer(body="ok")

    def _post(self, arguments: dict[str, Any]) -> Answer:
        timestamp = f"1763600000.{len(self.messages):06d}"
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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        slack = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                is_json = (self.headers.get("Content-Type") or "").startswith("application/json")
                arguments = (
                    json.loads(content) if is_json else {k: v[0] for k, v in parse_qs(content).items()}
                )
                method = "webhook" if self.path == WEBHOOK_PATH else self.path.removeprefix("/api/")
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
                self._send(slack.respond(method, arguments, token))

            def _send(self, answer: Answer) -> None:
                is_json = isinstance(answer.body, dict)
                content = (json.dumps(answer.body) if is_json else str(answer.body)).encode()
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json" if is_json else "text/html")
                self.send_header("Content-Length", str(len(content)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep the tests' output to the tests."""

        return Handler
