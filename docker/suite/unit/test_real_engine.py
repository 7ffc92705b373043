"""A real engine without a server: its command line and the parts of it that need no GPU.

Each in a fresh process: importing an engine takes many seconds, loads CUDA, and warns about what is missing.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.post_merge,
    pytest.mark.nightly,
    pytest.mark.engine_real,
]


def run(*argv):
    result = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout


def python(code):
    return run(sys.executable, "-c", code).strip().splitlines()[-1]


def test_its_help_names_the_flags_the_suite_uses(dialect):
    command = json.loads(run("/opt/nightly/serve", "--model", "m", "--print-command"))
    program = command[:1] if not command[0].endswith("python3") else command[:3]
    flags = ("--help=all",) if "vllm" in command[2] else ("--help",)
    text = run(*program, *flags)
    for flag in (dialect.context_flag, dialect.tensor_parallel_flag, dialect.served_name_flag):
        assert flag in text


@pytest.mark.vllm
def test_vllm_imports_in_the_version_named(image):
    assert python("import vllm; print(vllm.__version__)").startswith(image.engine_version)


@pytest.mark.vllm
def test_vllm_validates_sampling():
    assert (
        python(
            "from vllm import SamplingParams; print(SamplingParams(temperature=0, max_tokens=3).max_tokens)"
        )
        == "3"
    )


@pytest.mark.vllm
def test_vllm_refuses_sampling_that_makes_no_sense():
    code = (
        "from vllm import SamplingParams\ntry: SamplingParams(top_p=2)\nexcept ValueError: print('refused')"
    )
    assert python(code) == "refused"


@pytest.mark.sglang
def test_sglang_imports_in_the_version_named(image):
    assert python("import sglang; print(sglang.__version__)").startswith(image.engine_version)


@pytest.mark.sglang
def test_sglang_validates_sampling():
    code = (
        "from sglang.srt.sampling.sampling_params import SamplingParams\n"
        "sampling = SamplingParams(max_new_tokens=3, top_p=2)\n"
        "try: sampling.verify(1000)\nexcept ValueError: print('refused')"
    )
    assert python(code) == "refused"


@pytest.mark.trtllm
def test_trtllm_imports_in_the_version_named(image):
    assert python("import tensorrt_llm; print(tensorrt_llm.__version__)").startswith(image.engine_version)


def test_torch_is_built_for_cuda():
    assert python("import torch; print(torch.version.cuda)") != "None"
