"""Bodies of requests, checked field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from nightly_mock_engine.config import EngineConfig
from nightly_mock_engine.errors import RequestError, out_of_range, wrong_type
from nightly_mock_engine.generation import Sampling, tokenize

Body = Mapping[str, object]

_MAX_CHOICES = 16
_MAX_STOP_STRINGS = 4
_MAX_TEMPERATURE = 2.0
_DEFAULT_COMPLETION_TOKENS = 16
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A valid request. `prompt_tokens` is what its prompt counts as in `usage`."""

    chat: bool
    prompt: str
    prompt_tokens: int
    sampling: Sampling
    choices: int
    stream: bool
    include_usage: bool


def parse_body(raw: bytes) -> Body:
    """Return the JSON object in `raw`. Raises RequestError (400) for anything else."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error}", code="invalid_json"
        ) from error
    if not isinstance(body, dict):
        raise RequestError(HTTPStatus.BAD_REQUEST, "the body must be a JSON object", code="invalid_json")
    return body


def completion_request(body: Body, config: EngineConfig) -> GenerationRequest:
    """Read the body of `/v1/completions`. Raises RequestError."""
    _check_model(body, config)
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        raise wrong_type("prompt", "prompt must be a string")
    if not prompt:
        raise out_of_range("prompt", "prompt must not be empty")
    return _request(body, config, chat=False, prompt=prompt, default_tokens=_DEFAULT_COMPLETION_TOKENS)


def chat_request(body: Body, config: EngineConfig) -> GenerationRequest:
    """Read the body of `/v1/chat/completions`. Raises RequestError."""
    _check_model(body, config)
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise wrong_type("messages", "messages must be a list")
    if not messages:
        raise out_of_range("messages", "messages must not be empty")
    prompt = "".join(_message(position, message) for position, message in enumerate(messages))
    return _request(body, config, chat=True, prompt=prompt, default_tokens=None)


def _check_model(body: Body, config: EngineConfig) -> None:
    model = body.get("model")
    if not isinstance(model, str):
        raise wrong_type("model", "model must be a string")
    if model != config.served_model_name:
        message = f"the model {model!r} does not exist; this server has {config.served_model_name!r}"
        raise RequestError(HTTPStatus.NOT_FOUND, message, param="model", code="model_not_found")


def _message(position: int, message: object) -> str:
    where = f"messages[{position}]"
    if not isinstance(message, dict):
        raise wrong_type(where, f"{where} must be an object")
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise out_of_range(f"{where}.role", f"{where}.role must be one of {', '.join(sorted(_ROLES))}")
    return f"<{role}>{_content(where, message.get('content'))}\n"


def _content(where: str, content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_text_part(where, part) for part in content)
    raise wrong_type(f"{where}.content", f"{where}.content must be a string or a list of parts")


def _text_part(where: str, part: object) -> str:
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    raise wrong_type(f"{where}.content", f"{where}.content may have parts of type 'text' only")


def _request(
    body: Body, config: EngineConfig, *, chat: bool, prompt: str, default_tokens: int | None
) -> GenerationRequest:
    prompt_tokens = len(tokenize(prompt))
    stream = _boolean(body, "stream")
    return GenerationRequest(
        chat=chat,
        prompt=prompt,
        prompt_tokens=prompt_tokens,
        sampling=_sampling(body, _max_tokens(body, config, prompt_tokens, default_tokens)),
        choices=_integer(body, "n", 1, lowest=1, highest=_MAX_CHOICES),
        stream=stream,
        include_usage=_include_usage(body, stream=stream),
    )


def _sampling(body: Body, max_tokens: int) -> Sampling:
    _number(body, "top_p", 1.0, highest=1.0)
    return Sampling(
        max_tokens=max_tokens,
        temperature=_number(body, "temperature", 1.0, highest=_MAX_TEMPERATURE),
        seed=None
        if body.get("seed") is None
        else _integer(body, "seed", 0, lowest=-(2**63), highest=2**63 - 1),
        stop=_stop(body),
    )


def _max_tokens(body: Body, config: EngineConfig, prompt_tokens: int, default: int | None) -> int:
    room = config.max_model_len - prompt_tokens
    name = "max_completion_tokens" if body.get("max_completion_tokens") is not None else "max_tokens"
    wanted = _integer(body, name, room if default is None else default, lowest=None, highest=None)
    if room < 1 or wanted > room:
        raise out_of_range(
            name,
            f"this model's maximum context length is {config.max_model_len} tokens; "
            f"the prompt has {prompt_tokens} and {max(wanted, 0)} were asked for",
        )
    if wanted < 1:
        raise out_of_range(name, f"{name} must be at least 1")
    return wanted


def _include_usage(body: Body, *, stream: bool) -> bool:
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise wrong_type("stream_options", "stream_options must be an object")
    if not stream:
        raise out_of_range("stream_options", "stream_options is only allowed with stream=true")
    return _boolean(options, "include_usage")


def _stop(body: Body) -> tuple[str, ...]:
    value = body.get("stop")
    strings = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(strings, list) or not all(isinstance(each, str) for each in strings):
        raise wrong_type("stop", "stop must be a string or a list of strings")
    if len(strings) > _MAX_STOP_STRINGS or "" in strings:
        raise out_of_range("stop", f"stop takes at most {_MAX_STOP_STRINGS} strings, none of them empty")
    return tuple(strings)


def _boolean(body: Body, name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong_type(name, f"{name} must be true or false")
    return bool(value)


def _integer(body: Body, name: str, default: int, *, lowest: int | None, highest: int | None) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(name, f"{name} must be a whole number")
    if (lowest is not None and value < lowest) or (highest is not None and value > highest):
        raise out_of_range(name, f"{name} must be between {lowest} and {highest}")
    return value


def _number(body: Body, name: str, default: float, *, highest: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(name, f"{name} must be a number")
    if not 0 <= value <= highest:  # false for NaN too, which JSON decoders let through
        raise out_of_range(name, f"{name} must be between 0 and {highest:g}")
    return float(value)
