"""The `mock-engine` command."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Callable, Sequence

from nightly_mock_engine import NAME, __version__
from nightly_mock_engine.config import EngineConfig
from nightly_mock_engine.dialects import DIALECTS, Dialect
from nightly_mock_engine.server import MockServer

_HIGHEST_PORT = 65535
_ENDING = {signal.SIGTERM, signal.SIGINT}
_EXIT_CUT = 1
_EXIT_NO_PORT = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns 0, 1 when requests were cut, 3 when the port cannot be had."""
    config = parse(sys.argv[1:] if arguments is None else arguments)
    _hold_back(_ENDING)
    if signal.sigtimedwait(_ENDING, config.startup_delay) is not None:
        return 0
    try:
        server = MockServer(config)
    except OSError as error:
        sys.stderr.write(f"{NAME}: cannot listen on {config.host}:{config.port}: {error.strerror}\n")
        return _EXIT_NO_PORT
    return _serve_until_told(server)


def _serve_until_told(server: MockServer) -> int:
    _announce(server)  # before the first request can be answered: its first words are what it is
    server.start()
    signal.sigwait(_ENDING)
    _let_through(_ENDING)
    finished = server.drain()
    server.log("stopped" if finished else "stopped, requests in flight were cut")
    return 0 if finished else _EXIT_CUT


def parse(arguments: Sequence[str]) -> EngineConfig:
    """Read the command line, in the flags of the framework it names. Exits with 2 on an unknown one."""
    dialect = DIALECTS[_framework_parser().parse_known_args(_without_help(arguments))[0].framework]
    options = _parser(dialect).parse_args(arguments)
    for flag, _values in dialect.ignored_flags:
        if getattr(options, _destination(flag)) not in (None, False):
            sys.stderr.write(f"[mock] {flag} means nothing to a mock engine and is ignored\n")
    model = options.model or options.positional_model
    return EngineConfig(
        dialect=dialect,
        model=model,
        served_model_name=options.served_model_name or model,
        host=options.host,
        port=options.port,
        tensor_parallel=options.tensor_parallel,
        max_model_len=options.max_model_len,
        token_delay=options.token_delay_ms / 1000,
        startup_delay=options.startup_delay,
        shutdown_timeout=options.shutdown_timeout,
        max_body_bytes=options.max_body_bytes,
    )


def _without_help(arguments: Sequence[str]) -> list[str]:
    return [each for each in arguments if each not in ("-h", "--help")]


def _framework_parser(*, add_help: bool = False) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mock-engine",
        description=f"{NAME} {__version__}: a MOCK inference server. No model is loaded, no GPU is used.",
        add_help=add_help,
        allow_abbrev=False,
    )
    parser.add_argument("--framework", choices=sorted(DIALECTS), default="vllm", help="the server to imitate")
    parser.add_argument("--version", action="version", version=f"{NAME} {__version__} (mock)")
    return parser


def _parser(dialect: Dialect) -> argparse.ArgumentParser:
    parser = _framework_parser(add_help=True)
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("positional_model", metavar="MODEL", nargs="?", help="the model's name")
    model.add_argument(*dialect.model_flags, dest="model", help="the model's name")
    parser.add_argument(
        *dialect.served_name_flags, dest="served_model_name", help="the name clients use for it"
    )
    parser.add_argument("--host", default=EngineConfig.host)
    parser.add_argument(
        "--port", type=_whole(0, _HIGHEST_PORT), default=EngineConfig.port, help="0 is any free one"
    )
    _add_sizes(parser, dialect)
    _add_mock_options(parser)
    for flag, values in dialect.ignored_flags:
        action = "store" if values else "store_true"
        parser.add_argument(flag, dest=_destination(flag), help="accepted and ignored", action=action)
    return parser


def _add_sizes(parser: argparse.ArgumentParser, dialect: Dialect) -> None:
    parser.add_argument(
        *dialect.tensor_parallel_flags,
        dest="tensor_parallel",
        type=_whole(1, None),
        default=1,
        help="GPUs it would use",
    )
    parser.add_argument(
        *dialect.context_length_flags,
        dest="max_model_len",
        type=_whole(1, None),
        default=EngineConfig.max_model_len,
        help="tokens of prompt and answer together",
    )


def _add_mock_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the mock's own")
    group.add_argument("--token-delay-ms", type=_seconds, default=EngineConfig.token_delay * 1000)
    group.add_argument(
        "--startup-delay", type=_seconds, default=EngineConfig.startup_delay, metavar="SECONDS"
    )
    group.add_argument(
        "--shutdown-timeout", type=_seconds, default=EngineConfig.shutdown_timeout, metavar="SECONDS"
    )
    group.add_argument("--max-body-bytes", type=_whole(1, None), default=EngineConfig.max_body_bytes)


def _destination(flag: str) -> str:
    return "ignored_" + flag.lstrip("-").replace("-", "_")


def _whole(lowest: int, highest: int | None) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < lowest or (highest is not None and value > highest):
            limit = f"at least {lowest}" if highest is None else f"between {lowest} and {highest}"
            message = f"{value} is not {limit}"
            raise argparse.ArgumentTypeError(message)
        return value

    return number


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < math.inf:
        message = f"{text} is not a length of time"
        raise argparse.ArgumentTypeError(message)
    return value


def _hold_back(signals: set[signal.Signals]) -> None:
    """Keep signals pending until they are waited for, in this thread and those it starts.

    A handler would run in the middle of what the main thread does, also while that holds a lock.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)


def _let_through(signals: set[signal.Signals]) -> None:
    """Let the next signal end the process at once, as it usually does."""
    for each in signals:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


def _announce(server: MockServer) -> None:
    config = server.config
    server.log(f"{NAME} {__version__}: this is a MOCK engine. No model is loaded, no GPU is used.")
    server.log(f"imitating {config.dialect.name} with {config.arguments()}")
    server.log(f"listening on http://{config.host}:{server.port}")
