"""What is replaced in an error before it is compared, each kind with the word that takes its place.

At each place of the text the first rule that fits wins, so the more particular come first. A word that was put in
is a rule of its own that keeps it: replacing twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

_NUMBER = r"[-+]?\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?"
_UNITS = r"(?:ns|us|µs|ms|seconds?|secs?|s|minutes?|mins?|hours?|hrs?|h|days?)"
_CLOCK = r"\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?(?:\s?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
_DATE = r"\d{4}[-/]\d{2}[-/]\d{2}"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_COUNTED = (
    r"(?:pid|ppid|tid|process|thread|worker|rank|request|attempt|retry|try|step|iteration|epoch|batch|seed|index|row|"
    r"line|column|col|char|offset|position|port|gpu|device|cuda|gw|fd|token|sequence|seq|seqnum|numelin|numelout|block|"
    r"node|job|task|container)"
)
_RATE = r"(?:(?:tok(?:en)?s?|req(?:uest)?s?|samples?|images?|it(?:er)?s?|ops|[kKMG]i?B)/s(?:ec)?|[tr]ps)"
_POD = "[bcdfghjklmnpqrstvwxz2456789]"  # the letters that names of pods are made of
_ID_WORDS = r"(?:chatcmpl|cmpl|req|request|job|task|run|session|trace|span|resp|msg|id|call|container|pod)"
_TEMPORARY = ("/tmp/", "/var/tmp/", "/var/folders/", "/private/", "/dev/shm/", "/run/user/")  # noqa: S108 - read only
_RANDOM_PART = re.compile(r"tmp[\w-]{6,}|(?<![A-Za-z])[0-9a-f]{7,}(?![A-Za-z])|\d{4,}")
_LAST_NUMBER = re.compile(r"[-+]?\d+$")
_LAST_WORD = re.compile(r"[\w-]+$")
_DASH = re.compile(r"[-_]")
_BRACKET = re.compile(r"[\[(]")
_LOOPBACK = re.compile(r"localhost|\[?::1?\]?|(?:\d{1,3}\.){3}\d{1,3}|<host>")
_ADDRESS = re.compile(r"(?P<scheme>\w+://)(?P<host>\[[^\]]*\]|<host>|[^\s/:'\"]+)(?P<port>:\d+|:<port>)?")


@dataclass(frozen=True)
class Rule:
    """One kind of thing that is replaced.

    Attributes:
        name: of the group in the whole expression.
        pattern: without named groups; it must take time linear in what it looks at.
        replace: what takes the place of a match.
    """

    name: str
    pattern: str
    replace: Callable[[str], str]


def _word(word: str) -> Callable[[str], str]:
    return lambda _: word


def _kept(found: str) -> str:
    return found


def _path(found: str) -> str:
    """The last part of a path tells what was looked for; where it lay does not."""
    name = PurePosixPath(found).name
    if found.startswith(_TEMPORARY) or "pytest-of-" in found:
        # Folders are made up for each run; a file's name was chosen by somebody.
        return f"<tmp>/{_RANDOM_PART.sub('#', name)}" if "." in name.strip(".") else "<tmp>"
    return f"<path>/{_RANDOM_PART.sub('#', name)}"


def _url(found: str) -> str:
    match = _ADDRESS.fullmatch(found)
    if match is None:
        return found
    host = "<host>" if _LOOPBACK.fullmatch(match["host"]) else match["host"]
    return f"{match['scheme']}{host}{':<port>' if match['port'] else ''}"


def _before_number(found: str) -> str:
    return _LAST_NUMBER.sub("<n>", found)


def _before_id(found: str) -> str:
    return _LAST_WORD.sub("<n>", found)


def _before_prefixed(found: str) -> str:
    return f"{_DASH.split(found)[0]}-<n>"


def _before_place(found: str) -> str:
    return f"{_DASH.split(found)[0]}_<n>"


def _before_bracket(found: str) -> str:
    return f"{_BRACKET.split(found)[0].strip()} <n>"


RULES = (
    Rule(
        "log_stamp", rf"\b[IWEF]\d{{4}} {_CLOCK}", lambda found: f"{found[0]} <time>"
    ),  # glog's: month and day
    Rule("put_in", r"<(?:path|tmp)>(?:/[\w.@+~#-]*)?|<[a-z]+>", _kept),
    Rule("url", r"\b[a-z]{2,10}://(?:\[[0-9a-fA-F:]*\]|<host>|[^\s/:'\"<>]+)(?::\d+|:<port>)?", _url),
    Rule(
        "tensor",
        r"\b(?:tensor|array|Tensor|Array|ndarray)\(\s*[\[\d+-][^()]*(?:\([^()]*\)[^()]*)*(?:\)|$)",
        _word("tensor(<values>)"),
    ),
    Rule("list", rf"\[\s*{_NUMBER}(?:\s*[,\s]\s*{_NUMBER}){{3,}}\s*,?[\s.…]*(?:\]|$)", _word("[<values>]")),
    Rule("test", r"(?<![\w./-])[\w./-]{1,300}\.py::[\w:]+(?:\[[^\]]{0,300}\])?", _word("<test>")),
    Rule("path", r"(?<![\w>/.:-])/(?:[\w.@+~-]+/)+[\w.@+~-]*", _path),
    Rule("uuid", r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", _word("<n>")),
    Rule("digest", r"\b(?:sha256|sha512|sha1|md5):[0-9a-fA-F]+", _word("<n>")),
    Rule("address", r"\b0[xX][0-9a-fA-F]+\b", _word("<address>")),
    Rule("stamp", rf"\b{_DATE}(?:[T\s,]\s?{_CLOCK}|\b)", _word("<time>")),
    Rule(
        "date",
        rf"\b(?:[A-Z][a-z]{{2}},?\s)?{_MONTH}\s+\d{{1,2}},?\s(?:\d{{4}}\s)?{_CLOCK}(?:\s\d{{4}})?",
        _word("<time>"),
    ),
    Rule("clock", rf"\b(?:\d{{2}}-\d{{2}}\s)?{_CLOCK}\b", _word("<time>")),
    Rule("named_host", r"\bip-\d{1,3}(?:-\d{1,3}){3}(?:\.[\w-]{1,63}){0,6}(?::\d+)?", _word("<host>")),
    Rule("pod", rf"(?<=[a-z0-9]-){_POD}{{6,10}}-{_POD}{{5}}\b(?::\d+)?", _word("<n>")),
    Rule("host", r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b|\blocalhost:\d+\b", _word("<host>")),
    Rule(
        "version",
        r"(?:\b(?i:version|cuda|python|torch|driver|v|glibc_?)|[=><]=)\s?\d+(?:\.\d+)+\b(?!\.\d)",
        _kept,
    ),
    Rule("dotted", r"\b\d+(?:\.\d+){2,}[\w.+-]*", _kept),
    Rule("named_id", rf"\b(?:\w{{1,30}}_)?{_ID_WORDS}['\"]?\s?[:=]\s?['\"]?[\w-]*\d[\w-]*", _before_id),
    Rule("prefixed_id", rf"\b{_ID_WORDS}[-_](?=[A-Za-z]*\d)[A-Za-z0-9-]{{6,}}\b", _before_prefixed),
    Rule(
        "model", r"(?<![\w.-])[A-Za-z][\w.]{0,30}(?:-[\w.]{1,30}){0,6}-(?:\dx)?\d{1,4}(?:\.\d)?[BbM]\b", _kept
    ),
    Rule("rate", rf"(?<![\w.]){_NUMBER}\s?{_RATE}(?!\w)", _word("<rate>")),
    Rule("size", rf"(?<![\w.]){_NUMBER}\s?(?:[kKMGTP]i?B|[kKMGT]i?b|bytes?|B)\b", _word("<size>")),
    Rule("percent", rf"(?<![\w.]){_NUMBER}\s?%", _word("<percent>")),
    Rule("duration", rf"(?<![\w.])(?:\d+\s?[hm]\s?)*{_NUMBER}\s?{_UNITS}\b", _word("<duration>")),
    Rule("of", r"(?<![\w.])\d+\s?/\s?\d+\b(?!\.\d)", _word("<n>/<n>")),
    Rule("at_index", r"\b(?:index|indices|position)\s?[\[(][\d,\s]*[\])]", _before_bracket),
    Rule(
        "counted",
        rf"\b(?i:{_COUNTED})(?:s|_?id|_?no|_?number)?['\"]?\s?[\s#:=_-]{{0,2}}\d+\b(?!\.\d)",
        _before_number,
    ),
    Rule("of_many", r"\b(?:EngineCore|Vllm[Ww]orker|Worker)(?:[_-](?:[DTPE]P)?\d+){1,4}\b", _before_place),
    Rule("unbounded", r"(?<=difference: )inf\b", _word("<number>")),
    Rule(
        "code_line",
        r"(?:(?<=\.py)|(?<=\.cu)|(?<=\.cpp)|(?<=\.rs)|(?<=\.go)|(?<=\.h)):\d+(?::\d+)?",
        _word(":<line>"),
    ),
    Rule("hash", r"(?<![\w.])(?:[0-9a-f]{8,}|(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7})\b(?!\.\d)", _word("<n>")),
    Rule(
        "measured",
        r"(?<![\w.])[-+]?(?:\d[\d_]*\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)\b",
        _word("<number>"),
    ),
    Rule("token", r"\b(?=\w*\d\w*\d\w*\d)(?=\w*[A-Za-z])[A-Za-z0-9]{16,}\b", _word("<n>")),
    Rule("large", r"(?<![\w.])\d{4,}\b(?!\.\d)|(?<![\w.])\d{1,3}(?:,\d{3})+\b", _word("<n>")),
)
