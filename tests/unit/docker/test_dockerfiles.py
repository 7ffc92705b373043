"""The Dockerfiles as text: what the pipeline relies on, and what must not creep in."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import nightly_mock_engine
import pytest
import yaml

import nightly_pipeline

FRAMEWORKS = ("vllm", "sglang", "trtllm")
ARGUMENTS = {
    "BASE_IMAGE", "BASE_IMAGE_TAG", "RUNTIME_IMAGE", "RUNTIME_IMAGE_TAG", "CUDA_VERSION", "TORCH_BACKEND",
    "ENGINE_REQUIREMENT", "ENGINE_KIND", "FRAMEWORK_VERSION", "ENGINE_VERSION",
}  # fmt: skip
OWN_LINES = {
    "vllm": "    VLLM_NO_USAGE_STATS=1\n",
    "trtllm": (
        "# The wheels of TensorRT-LLM are on NVIDIA's own index: name it in the secret `index` (UV_INDEX=...).\n#\n"
    ),
}
LABELS = {
    "org.opencontainers.image.title", "org.opencontainers.image.description",
    "org.opencontainers.image.version",
    "org.opencontainers.image.base.name", "io.nightly.framework", "io.nightly.framework-version",
    "io.nightly.engine", "io.nightly.engine-version", "io.nightly.cuda-version",
}  # fmt: skip


@pytest.fixture(params=FRAMEWORKS)
def framework(request):
    return request.param


@pytest.fixture
def text(docker_folder, framework):
    return (docker_folder / framework / "Dockerfile").read_text()


@pytest.fixture
def stages(text):
    """Stage name -> (its FROM line, its instructions), in order."""
    found = {}
    for line in instructions(text):
        if line.startswith("FROM "):
            name = line.split(" AS ")[1]
            found[name] = (line, [])
        elif found:
            found[name][1].append(line)
    return found


def instructions(text):
    """Return one line an instruction: comments and here-documents left out, continuations joined."""
    body = re.sub(r"^(COPY .*<<EOF.*)\n(?:.*\n)*?EOF$", r"\1", text, flags=re.MULTILINE)
    lines = [line for line in body.splitlines() if not line.startswith("#")]
    return [
        " ".join(line.split()) for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()
    ]


def test_the_arguments_are_those_the_pipeline_passes(text):
    declared = {line.split()[1].partition("=")[0] for line in instructions(text) if line.startswith("ARG ")}
    assert declared - {"TARGETARCH", "TARGETPLATFORM"} == ARGUMENTS


def test_a_default_is_the_same_wherever_it_is_given(text):
    values = re.findall(r"^ARG (\w+)=(\S+)", text, flags=re.MULTILINE)
    by_name = {name: {value for each, value in values if each == name} for name, _ in values}
    mock = by_name["ENGINE_REQUIREMENT"]
    by_name["ENGINE_REQUIREMENT"] = mock - {"./mock_engine"}
    assert {name: found for name, found in by_name.items() if len(found) != 1} == {}


def test_both_targets_carry_the_labels(stages, framework):
    for target in ("framework", "runtime"):
        label = next(line for line in stages[target][1] if line.startswith("LABEL "))
        pairs = dict(each.split("=", 1) for each in shlex.split(label)[1:])
        assert set(pairs) == LABELS
        assert pairs["io.nightly.framework"] == framework


def test_nothing_of_the_target_platform_is_executed(stages):
    """A RUN is allowed on the build platform, and for a real engine where both platforms are the same."""
    native = {name for name, (start, _) in stages.items() if "--platform=$BUILDPLATFORM" in start}
    for name, (start, _) in stages.items():
        parent = start.split()[1]
        if parent in native or parent.startswith("install-"):
            native.add(name)
    running = {name for name, (_, lines) in stages.items() if any(line.startswith("RUN ") for line in lines)}
    assert running - native == {"complete"}
    children = {name for name, (start, _) in stages.items() if start.split()[1] == "complete"}
    assert children == {"amd64-on-amd64", "arm64-on-arm64"}


def test_every_layer_of_a_target_is_linked(stages):
    copies = [
        line for target in ("framework", "runtime") for line in stages[target][1] if line.startswith("COPY ")
    ]
    assert copies
    assert [line for line in copies if not line.startswith("COPY --link ")] == []


def test_the_runtime_image_runs_as_an_unprivileged_user(stages):
    users = [line for line in stages["runtime"][1] if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]


def test_secrets_are_mounted_and_never_copied(text):
    for line in instructions(text):
        if "pip" in line or "uv" in line.split():
            assert line.startswith(("RUN ", "#"))
        assert not re.match(r"(ARG|ENV) .*(TOKEN|PASSWORD|SECRET|INDEX)", line)


def test_no_frontend_is_downloaded(text):
    assert "syntax=" not in text.splitlines()[0]


def test_the_three_differ_in_names_and_defaults_and_in_what_is_their_own(docker_folder, table):
    shared = {
        _shared(
            (docker_folder / name / "Dockerfile").read_text(), name, table[0]["frameworks"][name]["title"]
        )
        for name in FRAMEWORKS
    }
    assert len(shared) == 1


def _shared(text, framework, title):
    """What should stand in all three, comments included."""
    own = OWN_LINES.get(framework, "")
    assert own in text
    text = text.replace(own, "", 1).replace(title, "TITLE").replace(f'"{framework}"', '"FRAMEWORK"')
    text = re.sub(r" \\$", "", text, flags=re.MULTILINE)
    return re.sub(r"^(ARG \w+)=(?!\./).*", r"\1=", text, flags=re.MULTILINE)


def test_the_context_leaves_out_the_same_everywhere(docker_folder):
    assert len({(docker_folder / name / "Dockerfile.dockerignore").read_text() for name in FRAMEWORKS}) == 1


@pytest.mark.parametrize("lock", ["suite/requirements.lock", "runtime/build/uv.lock"])
def test_locks_pin_by_hash_and_name_no_index(docker_folder, lock):
    text = (docker_folder / lock).read_text()
    pinned = re.findall(r"^(\S+)==\S+.*\\$", text, flags=re.MULTILINE)
    assert pinned
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "://" not in text


def test_scripts_can_be_executed(docker_folder):
    scripts = [*(docker_folder / "runtime" / "build").glob("*.sh"), docker_folder / "runtime" / "serve"]
    executable = {path.name for path in scripts if path.stat().st_mode & 0o111}
    assert executable == {path.name for path in scripts} - {"package-index.sh"}


@pytest.fixture(scope="module")
def table():
    profiles = Path(nightly_pipeline.__file__).parent / "profiles"
    return yaml.safe_load((profiles / "night.yaml").read_text()), yaml.safe_load(
        (profiles / "local.yaml").read_text()
    )


def test_the_defaults_are_those_of_the_nights_table(text, framework, table):
    row = table[0]["frameworks"][framework]
    base, runtime = row["base"], row.get("runtime_base", row["base"])
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)", text.partition("install-mock")[0], flags=re.MULTILINE))
    assert defaults == {
        "BASE_IMAGE": base["image"],
        "BASE_IMAGE_TAG": base["tag"],
        "RUNTIME_IMAGE": runtime["image"],
        "RUNTIME_IMAGE_TAG": runtime["tag"],
        "ENGINE_KIND": "real",
        "ENGINE_REQUIREMENT": f"{row['package']}=={row['version']}",
        "TORCH_BACKEND": row["torch_backend"],
    }
    assert f"ARG FRAMEWORK_VERSION={row['version']}\n" in text
    assert f"ARG CUDA_VERSION={row['cuda_version']}\n" in text


def test_the_local_profile_names_the_mock_that_is_here(table, docker_folder):
    mock = table[1]["mock_engine"]
    assert mock["version"] == nightly_mock_engine.__version__
    assert (docker_folder / mock["requirement"] / "pyproject.toml").is_file()
