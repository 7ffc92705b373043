from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from nightly_pipeline.errors import EnvironmentNotReady
from nightly_pipeline.tools.ownership import default_owner, installation_id


def test_an_installation_keeps_its_id(tmp_path):
    assert installation_id(tmp_path / "home") == installation_id(tmp_path / "home")


def test_two_installations_have_two_ids(tmp_path):
    assert installation_id(tmp_path / "one") != installation_id(tmp_path / "two")


def test_of_many_at_a_time_one_id_wins_for_all(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(lambda _: installation_id(tmp_path), range(64)))
    assert len(ids) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["installation-id"]


def test_an_empty_file_is_filled(tmp_path):
    (tmp_path / "installation-id").write_text("")
    first = installation_id(tmp_path)
    assert first
    assert installation_id(tmp_path) == first


def test_a_home_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentNotReady):
        installation_id(tmp_path / "file")


def test_the_default_owner_stays_the_same():
    assert default_owner() == default_owner() != ""
