"""Tests that get in the way of whoever writes down what they do."""

from __future__ import annotations

from tests.unit.evidence_plugin.case import IMPORTS, S, case

HOSTILE = (
    case(
        "prints_50_megabytes",
        """
        import sys
        def test_loud():
            for _ in range(50): sys.stdout.write('x' * 1_000_000)
            assert False, 'loud'
        """,
        S.FAILED,
        1,
        "0 1 0 0 1",
        arguments=("--show-capture=no",),
        failures=("test_it.py::test_loud",),
        rows="failed",
    ),
    case(
        "prints_what_looks_like_evidence",
        r"""
        import os, sys
        FORGED = '\n{"event":"finish","time":0,"exit_code":0,"lost":0}\n'
        def test_forger():
            print(FORGED); os.write(1, FORGED.encode()); os.write(2, FORGED.encode())
            os._exit(0)
        """,
        S.CRASHED,
        0,
        "0 0 0 1 1",
        arguments=("-s",),
        blame="test_it.py::test_forger",
        failures=("test_it.py::test_forger",),
        rows="crashed",
    ),
    case(
        "closes_all_descriptors_and_changes_folder",
        """
        import os, socket
        def test_closes(tmp_path):
            os.closerange(3, 512)
            os.chdir(tmp_path)
            global thieves  # take the numbers that were closed, so that a write to one of them goes astray
            thieves = [open(tmp_path / str(n), "w+") for n in range(30)]
        def test_nothing_went_astray():
            assert [thief.read() for thief in thieves] == [""] * 30
            for thief in thieves: thief.close()
        """,
        S.PASSED,
        0,
        "2 0 0 0 2",
        arguments=("-s", "-p", "no:logging", "-p", "no:faulthandler"),
        rows="2*passed",
    ),
    case(
        "changes_its_environment",
        "import os\ndef test_it(): assert 'NIGHTLY_EVIDENCE_FILE' not in os.environ; os.environ.clear()",
        S.PASSED,
        0,
        "1 0 0 0 1",
        rows="passed",
    ),
    case(
        "puts_its_own_in_the_place_of_what_python_has",
        """
        import json, os, re, time
        import pytest
        class Broken: __init__ = __call__ = lambda *_, **__: 1 / 0
        @pytest.fixture(params=["time.time", "os.write", "os.getpid", "json.dumps", "json.JSONEncoder", "re.findall"])
        def broken(request, monkeypatch): monkeypatch.setattr(request.param, Broken)
        def test_good(broken): pass
        def test_bad(broken): raise ValueError("bad")
        """,
        S.FAILED,
        1,
        "6 6 0 0 12",
        failures=tuple(
            f"test_it.py::test_bad[{name}]"
            for name in ("time.time", "os.write", "os.getpid", "json.dumps", "json.JSONEncoder", "re.findall")
        ),
        rows="6*passed 6*failed",
    ),
    case(
        "children_die_of_sigterm",
        """
        import os, signal, time
        def test_it():
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(3)
            os.kill(child, signal.SIGTERM)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
        """,
        S.PASSED,
        0,
        "1 0 0 0 1",
        rows="passed",
    ),
    case(
        "strange_node_ids",
        r"""
        import pytest
        NAMES = ["it's", 'say "x"', "line\nbreak", "tab\there", "\U0001f600", "<script>alert(1)</script>",
        "<!channel>",
                 "a::b[c]", "\x1b[31m", "&amp;", "]]>", "\x00nul", "\udcff", "*bold* _it_ `code` ~s~ | pipe"]
        @pytest.mark.parametrize("name", NAMES)
        def test_it(name): assert name != "<!channel>"
        """,
        S.FAILED,
        1,
        "13 1 0 0 14",
        files={
            "pytest.ini": "[pytest]\n"
            "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n"
        },
        failures=("test_it.py::test_it[<!channel>]",),
        rows="6*passed failed 7*passed",
    ),
    case(
        "very_long_node_ids",
        """
        import pytest
        @pytest.mark.parametrize("prompt", ["x" * 100_000 + "a", "x" * 100_000 + "b"])
        def test_it(prompt): pass
        """,
        S.PASSED,
        0,
        "2 0 0 0 2",
        rows="2*passed",
    ),
    case(
        "existing_sigterm_handler",
        IMPORTS
        + """
def test_it():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
""",
        S.CRASHED,
        9,
        "0 0 0 1 1",
        files={
            "earlier.py": "import os, signal\nsignal.signal(signal.SIGTERM, lambda *_: os._exit(9))",
        },
        arguments=("-p", "earlier"),
        blame="test_it.py::test_it",
        failures=("test_it.py::test_it",),
        says="stopped by SIGTERM",
        rows="crashed",
    ),
    case(
        "disk_full_from_the_start",
        "def test_one(): pass",
        S.CRASHED,
        0,
        "0 0 0 0 0",
        environment={"NIGHTLY_EVIDENCE_FILE": "/dev/full"},
        says="exit code 0 and left no evidence",
    ),
    case(
        "disk_full_for_a_while",
        """
        import os, resource
        FILES = [os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
        [EVIDENCE] = [path for path in FILES if os.path.realpath(path).endswith("evidence.jsonl")]
        def limit(size): resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        def test_fills_the_disk(): limit(os.path.getsize(EVIDENCE) + 10)
        def test_unseen(): pass
        def test_frees_it(): limit(resource.RLIM_INFINITY)
        def test_later(): pass
        """,
        S.CRASHED,
        0,
        "1 0 0 2 4",
        blame="test_it.py::test_fills_the_disk",
        says="8 events could not be written down",
        rows="not_run:1/0 not_run not_run:1/0 passed",
        lost=8,
        damaged=1,
    ),
)
