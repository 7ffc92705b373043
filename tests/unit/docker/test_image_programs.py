from __future__ import annotations

import importlib.util
import json
import os
import sys
from importlib.machinery import SourceFileLoader

import healthcheck
import nightly_image
import pytest
import sanity

FACTS = {
    "framework": "vllm",
    "framework_version": "0.32.0",
    "engine_kind": "real",
    "engine_version": "0.32.0",
    "cuda_version": "12.9",
    "torch_backend": "cu129",
    "platform": "linux/amd64",
    "base": "base:1",
}
ADDRESS = nightly_image.Address("0.0.0.0", 8000)  # noqa: S104


@pytest.fixture
def serve(docker_folder, monkeypatch, tmp_path):
    """The launcher as a module, with an image.json of vLLM."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("serve", str(docker_folder / "runtime" / "serve"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("serve", loader))
    loader.exec_module(module)
    image = tmp_path / "image.json"
    image.write_text(json.dumps(FACTS))
    monkeypatch.setattr(nightly_image.load, "__defaults__", (image,))
    return module


@pytest.mark.parametrize(
    ("change", "start"),
    [
        ({}, "/opt/engine/bin/vllm serve m --host"),
        ({"framework": "sglang"}, "/opt/engine/bin/python3 -m sglang.launch_server --model-path m --host"),
        ({"framework": "trtllm"}, "/opt/engine/bin/trtllm-serve m --host"),
        ({"engine_kind": "mock"}, "/opt/engine/bin/mock-engine --framework vllm --model m --host"),
        (
            {"engine_kind": "mock", "framework": "trtllm"},
            "/opt/engine/bin/mock-engine --framework trtllm --model m --host",
        ),
    ],
)
def test_each_engine_is_started_its_own_way(change, start):
    command = nightly_image.server_command(FACTS | change, "m", ADDRESS, ["--extra", "1"])
    assert " ".join(command).startswith(start)
    assert command[-6:] == ["--host", ADDRESS.host, "--port", "8000", "--extra", "1"]


@pytest.mark.parametrize("change", [{"framework": "other"}, {"engine_kind": "Mock"}])
def test_an_unknown_engine_is_an_error(change):
    with pytest.raises(nightly_image.ImageError, match="unknown engine"):
        nightly_image.server_command(FACTS | change, "m", ADDRESS, [])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps(FACTS | {"platform": None})])
def test_an_image_file_that_is_not_whole_is_an_error(tmp_path, text):
    path = tmp_path / "image.json"
    path.write_text(text)
    with pytest.raises(nightly_image.ImageError, match=r"image\.json"):
        nightly_image.load(path)


def test_the_launcher_prints_its_command(serve, capsys):
    assert serve.main(["--model", "m", "--port", "9", "--max-model-len", "64", "--print-command"]) == 0
    assert json.loads(capsys.readouterr().out)[-4:] == ["--port", "9", "--max-model-len", "64"]


def test_the_launcher_does_not_take_abbreviations_from_the_engine(serve, capsys):
    serve.main(["--model", "m", "--mod", "x", "--print-command"])
    assert json.loads(capsys.readouterr().out)[-2:] == ["--mod", "x"]


def test_the_launcher_runs_a_command(serve, monkeypatch):
    run = []
    monkeypatch.setattr(os, "execvp", lambda program, command: run.append((program, command)))
    serve.main(["python3", "-V"])
    assert run == [("python3", ["python3", "-V"])]


def test_the_launcher_says_what_cannot_be_started(serve, capsys):
    assert serve.main(["/no/such/program"]) == 127
    assert "/no/such/program" in capsys.readouterr().err


@pytest.fixture
def _patient_probe(monkeypatch):
    monkeypatch.setattr(healthcheck, "_TIMEOUT", 300.0)


@pytest.mark.usefixtures("_patient_probe")
def test_the_probe_asks_the_server(serving, monkeypatch, capsys):
    running = serving()
    monkeypatch.setenv("NIGHTLY_PORT", str(running.port))
    assert healthcheck.main() == 0
    running.drain()
    assert healthcheck.main() == 1
    assert "no answer" in capsys.readouterr().out


def test_the_probe_takes_nothing_but_200(serving, monkeypatch):
    running = serving()
    monkeypatch.setenv("NIGHTLY_PORT", str(running.port))
    running.draining = True
    assert healthcheck.main() == 1
    running.draining = False


def test_a_check_that_breaks_is_a_check_that_failed():
    def check_breaks(_facts):
        raise KeyError("gone")

    assert sanity.run_check(check_breaks, FACTS) == {
        "name": "breaks",
        "ok": False,
        "detail": "KeyError: 'gone'",
    }


def test_without_an_image_file_nothing_is_sane(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(nightly_image.load, "__defaults__", (tmp_path / "none.json",))
    assert sanity.main() == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["checks"][0]["name"]) == (False, "image_file")


def test_no_checks_are_no_success(capsys):
    assert sanity.report(FACTS, []) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_every_check_runs_after_one_has_failed(monkeypatch, tmp_path, capsys):
    image = tmp_path / "image.json"
    image.write_text(json.dumps(FACTS | {"platform": "linux/other"}))
    monkeypatch.setattr(nightly_image.load, "__defaults__", (image,))
    assert sanity.main() == 1
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert [check["name"] for check in checks] == [
        each.__name__.removeprefix("check_") for each in sanity.CHECKS
    ]
    assert "linux/other" in checks[0]["detail"]


@pytest.mark.parametrize("line", ["version_info = 3.11.2", "version = 3.11.2.final.0"])
def test_the_engines_python_is_read_from_its_environment(tmp_path, line):
    (tmp_path / "pyvenv.cfg").write_text(f"home = /usr/bin\n{line}\n")
    assert sanity.python_of_the_engine(tmp_path) == "3.11"


def test_an_environment_without_a_version_is_an_error(tmp_path):
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    with pytest.raises(sanity.CheckError, match="names no version"):
        sanity.python_of_the_engine(tmp_path)
