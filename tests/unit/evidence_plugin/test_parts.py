"""The plugin's parts, in this process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nightly_pipeline.evidence_plugin.nightly_evidence import facts as told
from nightly_pipeline.evidence_plugin.nightly_evidence import files
from nightly_pipeline.evidence_plugin.nightly_evidence.files import EvidenceFile
from nightly_pipeline.evidence_plugin.nightly_evidence.texts import bounded


def lines(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text(encoding="ascii").splitlines() if line]


def test_a_number_that_stands_for_another_file_now_is_not_written_to(tmp_path: Path):
    file = EvidenceFile(str(tmp_path / "evidence"))
    file.write("one")
    thief = os.open(tmp_path / "thief", os.O_RDWR | os.O_CREAT)
    os.dup2(thief, file._fd)
    file.write("two")
    os.close(thief)

    assert lines(tmp_path / "evidence") == ["one", "two"]
    assert (tmp_path / "thief").read_bytes() == b""


def test_the_path_is_kept_when_the_working_directory_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    file = EvidenceFile("evidence")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    os.close(file._fd)
    file.write("one")

    assert lines(tmp_path / "evidence") == ["one"]


def test_half_a_line_is_ended_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = EvidenceFile(str(tmp_path / "evidence"))
    whole = os.write

    def half(number: int, data: bytes) -> int:
        whole(number, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_some", half)
    file.write("cut")
    monkeypatch.setattr(files, "write_some", whole)
    file.write("after")

    assert file.lost == 1
    assert json.loads((tmp_path / "evidence").read_text().splitlines()[-1])["event"] == "after"


def test_a_write_that_takes_part_of_a_line_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = EvidenceFile(str(tmp_path / "evidence"))
    whole = os.write
    monkeypatch.setattr(files, "write_some", lambda number, data: whole(number, data[:7]))

    file.write("one", text="\udcff\U0001f600\n")

    assert json.loads((tmp_path / "evidence").read_text(encoding="ascii"))["text"] == "\udcff\U0001f600\n"


def test_texts_get_shorter_the_more_there_is(tmp_path: Path):
    file = EvidenceFile(str(tmp_path / "evidence"))
    limits = []
    for file.size in (0, 100 * 1024**2, 300 * 1024**2):
        limits.append(file.text_limit)

    assert limits == [32 * 1024, 2048, 256]


@pytest.mark.parametrize(("text", "limit", "cut"), [("abc", 3, None), ("é" * 10, 8, 4), ("x" * 100, 10, 90)])
def test_the_bytes_that_were_cut_are_counted(text: str, limit: int, cut: int | None):
    shown, counted = bounded(text, limit)

    assert counted == cut
    assert (shown == text) == (cut is None)


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ('{"engine": {"kind": "mock"}}', {"engine": {"kind": "mock"}}),
        ("[1]", None),
        ("{cut", None),
        ("", None),
        (None, None),
    ],
)
def test_what_the_image_says_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, facts: dict[str, object] | None
):
    monkeypatch.setattr(told, "IMAGE_FACTS", tmp_path / "image.json")
    if content is not None:
        (tmp_path / "image.json").write_text(content)

    assert told.image_facts() == facts


def test_gpus_are_the_devices_that_are_there_with_what_the_driver_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(told, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(told, "DRIVER", tmp_path / "driver")
    information = "Model: \t\t NVIDIA L40\nIRQ:   \t\t 55\nGPU UUID: \t GPU-{}\nDevice Minor: \t {}\n"
    for minor in (0, 1, 2):  # the driver knows all of the machine's, the container was given two
        folder = tmp_path / "driver" / f"0000:0{minor}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(information.format(minor, minor))
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (tmp_path / "dev" / name).touch()

    assert told.gpus() == [
        {"device": str(tmp_path / "dev" / f"nvidia{minor}"), "name": "NVIDIA L40", "uuid": f"GPU-{minor}"}
        for minor in (0, 2)
    ]


def test_no_gpu_is_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(told, "DEVICES", tmp_path / "absent")
    monkeypatch.setattr(told, "DRIVER", tmp_path / "absent")

    assert told.gpus() == []
