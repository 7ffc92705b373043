from __future__ import annotations

import time
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightly_pipeline.model.signature import MOST_KEPT, normalised, says_little, signature_of, title_of

WORDS = """
assert 12 == 0x7f 1.5 s /tmp/ab/c.py:12 tensor( ) < > <n> <tmp>/ :// localhost:80 2026-11-22 14:07:35 Nov 3 % 5 / 7
E id= req_ab12cd34 pid . - _ : , 1e5 gw3 index deadbeef12 v1.2 KiB 1h
E1122 tok/s ip-10-0-12-34.ec2.internal EngineCore_DP0 Worker_TP1 Llama-3.1-8B 7B w-6d4cf56db6-x8kzq difference: inf 5 kB
"""
FRAGMENTS = st.sampled_from(
    [
        *WORDS.split(),
        "\n",
        " ",
        "[1, 2, 3, 4]",
        "http://localhost:8/v1",
        "Traceback (most recent call last):\n",
    ]
)
DIFFERENT_CAUSES = [
    "AssertionError: assert 404 == 200",
    "AssertionError: assert 500 == 200",
    "AssertionError: assert 'length' == 'stop'",
    "AssertionError: assert [1, 2, 3] == [1, 2, 4]",
    "AssertionError: assert 0.71 >= 0.75",
    "AssertionError: assert 0.71 <= 0.75",
    "AssertionError: assert nan >= 0.75",
    "AssertionError: assert False",
    "error in setup: AssertionError: assert False",
    "RuntimeError: CUDA error: device-side assert triggered",
    "RuntimeError: CUDA error: an illegal memory access was encountered",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
    "ImportError: cannot import name 'LLM' from 'vllm'",
    "ImportError: cannot import name 'LLMEngine' from 'vllm'",
    "FileNotFoundError: [Errno 2] No such file or directory: '/models/a/config.json'",
    "FileNotFoundError: [Errno 2] No such file or directory: '/models/a/tokenizer.json'",
    "KeyError: 'usage'",
    "process exited with code 137",
    "process exited with code 139",
    "ConnectionRefusedError: [Errno 111] Connection refused",
    "ConnectionResetError: [Errno 104] Connection reset by peer",
    "needs CUDA 12.8",
    "needs CUDA 12.9",
    "never ended: the process ended while it was running",
    "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    "RuntimeError: CUDA error: misaligned address",
    "ModuleNotFoundError: No module named 'flashinfer'",
    "AttributeError: 'NoneType' object has no attribute 'shape'",
    "AttributeError: 'NoneType' object has no attribute 'dtype'",
    "404 for http://localhost:8000/v1/models",
    "404 for http://localhost:8000/v1/completions",
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x4096 and 2048x512)",
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x128 and 64x512)",
    "ImportError: libcudart.so.12: cannot open shared object file",
    "ImportError: libcudart.so.13: cannot open shared object file",
    "ImportError: /opt/x/_C.abi3.so: undefined symbol: _ZN3c104cuda9SetDeviceEi",
    "ImportError: /opt/x/_C.abi3.so: undefined symbol: _ZN3c105ErrorC2E",
    "ValueError: quantization int4 is not supported",
    "ValueError: quantization int8 is not supported",
    "cannot load meta-llama/Llama-3.1-8B",
    "cannot load meta-llama/Llama-3.1-70B",
    "cannot load Qwen2.5-7B-Instruct",
    "cannot load Mixtral-8x7B",
    "Greatest relative difference: nan at index (9, 1)",
    "Greatest relative difference: inf at index (9, 1)",
    "OSError: [Errno 28] No space left on device",
    "OSError: [Errno 98] Address already in use",
    "ConnectError: https://registry.example.org unreachable",
    "ConnectError: https://models.example.org unreachable",
    "NotImplementedError: Could not run 'aten::_scaled_mm'",
    "NotImplementedError: Could not run 'aten::_int_mm'",
]
SMALL = st.integers(0, 255)
POD = st.text("bcdfghjklmnpqrstvwxz2456789", min_size=4, max_size=4).map("x{}".format)
HASHES = st.text("0123456789abcdef", min_size=8, max_size=64)
NOISE = {
    "RuntimeError: <Engine object at {}> is closed": st.integers(0, 2**64).map(hex),
    "KeyError: request {} is unknown": st.integers(0, 10**9),
    "no such session: {}": st.uuids(),
    "engine died at {}": st.datetimes().map(lambda at: at.isoformat(" ")),
    "[{}] engine died": st.datetimes().map(lambda at: f"{at.isoformat()}Z"),
    "engine died at {} of the day": st.times().map(lambda at: f"{at:%H:%M:%S}"),
    "no answer within {} s": st.floats(0.001, 10**6),
    "took {}ms, too long": st.integers(0, 10**7),
    "cannot bind to 127.0.0.1:{}": st.integers(1, 65535),
    "cannot bind to port {}": st.integers(1, 65535),
    "GET http://localhost:{}/v1/models: 503": st.integers(1, 65535),
    "process {} was killed": st.integers(1, 4_194_304),
    "error at engine.py:{}: bad state": st.integers(1, 99_999),
    "line {}, in forward": st.integers(1, 99_999),
    "assert tensor([{}, 2.5]) == tensor([1.0])": st.floats(allow_nan=False, allow_infinity=False),
    "commit {} is broken": HASHES,
    "image sha256:{} is broken": st.text("0123456789abcdef", min_size=64, max_size=64),
    "no file '/tmp/tmp{}/out.json'": st.text("abcdefghij_0123456789", min_size=8, max_size=8),
    "no file '/tmp/pytest-of-root/pytest-{}/test_a0/out.json'": st.integers(0, 9_999),
    "cannot read /home/{}/models/config.json": st.from_regex(r"[a-z]{3,8}", fullmatch=True),
    "tried to allocate {} MiB": st.floats(0.01, 10**5).map(lambda size: f"{size:.2f}"),
    "worker 'gw{}' crashed": st.integers(0, 128),
    "assert {} >= 0.95": st.floats(0.0001, 0.9499).map(lambda value: f"{value:.6f}"),
    "Mismatched elements: {} / 1024": st.integers(1, 1024),
    "request_id='{}' failed": st.uuids(),
    "chatcmpl-{} was aborted": st.uuids().map(lambda value: value.hex),
    "worker on ip-{}.ec2.internal died": st.tuples(SMALL, SMALL, SMALL, SMALL).map(
        lambda at: "-".join(map(str, at))
    ),
    "pod vllm-worker-{} was evicted": st.tuples(POD, POD, POD).map(lambda at: f"{at[0]}{at[1]}-{at[2]}"),
    "Failed core proc(s): {{'EngineCore_{}': 1}}": st.integers(0, 64) | st.integers(0, 64).map("DP{}".format),
    "(Worker_{}) died": st.tuples(st.integers(0, 8), st.integers(0, 8)).map(
        lambda at: f"DP{at[0]}_TP{at[1]}"
    ),
    "throughput {} tok/s below 600 tok/s": st.integers(0, 10**6)
    | st.floats(0.01, 10**6).map("{:.1f}".format),
    "Greatest relative difference: {} at index (3, 1)": st.just("inf") | st.floats(1e-6, 1e3).map(str),
    "Killed process 7 (python) total-vm:{}kB": st.integers(0, 10**9),
    "[rank0]:[E{} Group.cpp:629] WorkNCCL(SeqNum=7, OpType=ALLREDUCE)": st.datetimes().map(
        lambda at: f"{at:%m%d %H:%M:%S}.123456789"
    ),
    "WorkNCCL(SeqNum={}, OpType=ALLREDUCE)": st.integers(0, 10**6),
    "Connect to 172.17.0.3<{}> failed": st.integers(10_000, 65_535),
    "process died (pid={}, ip=10.0.0.1)": st.integers(1, 4_194_304),
    "[gw0] tests/unit/test_{}.py::test_x crashed": st.from_regex(r"[a-z]{1,9}", fullmatch=True),
}


@given(st.lists(FRAGMENTS | st.text(max_size=3), max_size=14).map("".join))
@settings(max_examples=500, deadline=None)
def test_normalising_what_is_normalised_changes_nothing(text):
    assert normalised(normalised(text)) == normalised(text)
    assert signature_of(normalised(text)) == signature_of(text)


@pytest.mark.parametrize("template", NOISE)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_what_differs_from_run_to_run_does_not_count(template, data):
    one, other = data.draw(NOISE[template]), data.draw(NOISE[template])
    assert title_of(template.format(one)) == title_of(template.format(other))
    assert signature_of(template.format(one)) == signature_of(template.format(other))


def test_what_tells_causes_apart_does_count():
    assert len({signature_of(text) for text in DIFFERENT_CAUSES}) == len(DIFFERENT_CAUSES)


@given(st.lists(st.sampled_from(DIFFERENT_CAUSES), min_size=2, max_size=2, unique=True), st.uuids())
def test_noise_beside_a_cause_does_not_hide_it(causes, noise):
    one, other = (signature_of(f"{cause} (request {noise})") for cause in causes)
    assert one != other


def test_colours_and_line_breaks_do_not_count():
    assert signature_of("\x1b[31mKeyError:\x1b[0m\n  'usage'") == signature_of("KeyError: 'usage'")


def test_of_what_pytest_shows_the_error_counts_and_not_the_code_around_it():
    shown = "def test_a():\n>   assert f() == 200\nE   assert 404 == 200\nE    +  where 404 = f()\n\na.py:{}: Error"
    assert signature_of(shown.format(12)) == signature_of(shown.format(99))
    assert title_of(shown) == "assert 404 == 200 + where 404 = f()"


def test_of_a_traceback_the_last_error_counts():
    traceback = (
        "Traceback (most recent call last):\n  File 'a.py', line 3\nKeyError: 'a'\n\nDuring handling of it:\n\n"
        "Traceback (most recent call last):\n  File 'b.py', line 9\nRuntimeError: engine died\nwith a second line"
    )
    assert title_of(traceback) == "RuntimeError: engine died with a second line"


def test_a_short_whole_number_of_an_assertion_stays_readable():
    assert title_of("AssertionError: assert 404 == 200") == "AssertionError: assert 404 == 200"


def test_a_random_id_of_digits_alone_counts_as_little_as_one_with_letters():
    assert signature_of("job 12345678 died") == signature_of("job 1234abcd died")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AssertionError",
        "AssertionError: assert False",
        "error in setup: assert None",
        "never ended: the process ended while it was running",
        "Failed: Timeout (>30.0s) from pytest-timeout.",
        "worker 'gw1' crashed while running 'tests/a.py::test_b[1]'",
        "failed, without a message",
    ],
)
def test_an_error_that_any_cause_could_have_says_little(text):
    assert says_little(text)


@pytest.mark.parametrize(
    "text", ["AssertionError: no usage in the answer", "assert 404 == 200", "KeyError: 'usage'"]
)
def test_an_error_that_names_something_says_more(text):
    assert not says_little(text)


def test_a_signature_is_short_and_the_same_tomorrow():
    assert signature_of("KeyError: 'usage'") == "fbabbbe0de45"


def test_a_title_says_so_when_there_is_no_message():
    assert title_of(" \n ") == "no message"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 10_000_000,
        "1" * 100_000,
        "[1, " * 30_000,
        "tensor([(" * 10_000,
        "/a" * 50_000,
        "a.py::" * 20_000,
        "0x" * 50_000,
        "1.1" * 30_000,
        "E   \n" * 30_000,
        "1 h " * 30_000,
        "a1" * 50_000,
        "id=" * 30_000,
        "-" * 100_000,
        "a-" * 50_000,
        "a-7-" * 30_000,
        "ip-1-1-1-1." * 10_000,
        "EngineCore_0_" * 10_000,
        "b" * 6 + "-bbbbb" * 20_000,
    ],
)
def test_a_huge_or_hostile_text_takes_little_time_and_leaves_little(text):
    began = time.process_time()
    assert len(normalised(text)) <= MOST_KEPT
    assert time.process_time() - began < 2


def test_a_uuid_is_replaced_wherever_it_stands():
    assert str(uuid.UUID(int=7)) not in normalised(f"a {uuid.UUID(int=7)} b")
