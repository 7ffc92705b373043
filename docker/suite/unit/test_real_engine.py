"""A real engine without a server: its command line and the parts of it that need no GPU.

Each in a fresh process: importing an engine takes many seconds, loads CUDA, and warns about what is missing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig

import pytest

pytestmark = [
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.post_merge,
    pytest.mark.nightly,
    pytest.mark.engine_real,
]

EXTENSION = """
#include <Python.h>
static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }
static PyMethodDef methods[] = {{"answer", answer, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "probe", NULL, -1, methods};
PyMODINIT_FUNC PyInit_probe(void) { return PyModule_Create(&module); }
"""


def run(*argv):
    result = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout


def python(code):
    return run(sys.executable, "-c", code).strip().splitlines()[-1]


@pytest.mark.vllm
def test_vllm_knows_the_flags_the_suite_uses(dialect):
    """By the fields of its arguments: its --help ends with an error where no GPU is found."""
    code = (
        "import dataclasses; from vllm.engine.arg_utils import EngineArgs; "
        "print([field.name for field in dataclasses.fields(EngineArgs)])"
    )
    fields = python(code)
    for flag in flags(dialect):
        assert repr(flag.lstrip("-").replace("-", "_")) in fields


@pytest.mark.sglang
def test_sglang_knows_the_flags_the_suite_uses(dialect):
    text = run(sys.executable, "-m", "sglang.launch_server", "--help")
    for flag in flags(dialect):
        assert flag in text


@pytest.mark.trtllm
def test_trtllm_knows_the_flags_the_suite_uses(dialect):
    text = run("trtllm-serve", "serve", "--help")
    for flag in flags(dialect):
        assert flag in text


def flags(dialect):
    return (dialect.context_flag, dialect.tensor_parallel_flag, dialect.served_name_flag)


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
        "from vllm import SamplingParams\n"
        "try: SamplingParams(top_p=2)\n"
        "except Exception as error: print('refused' if 'top_p' in str(error) else repr(error))"
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


def test_torch_is_built_for_the_cuda_version_named(image):
    assert python("import torch; print(torch.version.cuda)") == ".".join(image.cuda_version.split(".")[:2])


def test_an_extension_of_python_can_be_compiled(tmp_path):
    """Triton does this when the first kernel is launched: on a machine with GPUs, too late to learn of it."""
    source, library = tmp_path / "probe.c", tmp_path / "probe.so"
    source.write_text(EXTENSION)
    include = sysconfig.get_path("include")
    compiler = shutil.which("gcc") or shutil.which("clang") or shutil.which("cc")
    assert compiler, "no C compiler is installed"
    run(compiler, "-O3", "-shared", "-fPIC", "-I", include, str(source), "-o", str(library))
    assert (
        python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import probe; print(probe.answer())")
        == "42"
    )
