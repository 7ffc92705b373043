from __future__ import annotations

import base64
import json
import stat

import pytest

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.tools.registry_auth import Credentials
from nightly_pipeline.tools.registry_login import docker_config

LOGINS = {"localhost:5000": Credentials("AWS", "secret")}


def read(folder):
    return json.loads((folder / "config.json").read_text())


def test_without_logins_the_users_own_will_do(tmp_path):
    with docker_config({}, user_folder=tmp_path) as folder:
        assert folder is None


def test_logins_are_there_for_the_block_and_for_nobody_else():
    with docker_config(LOGINS, user_folder=None) as folder:
        assert base64.b64decode(read(folder)["auths"]["localhost:5000"]["auth"]) == b"AWS:secret"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
    assert not folder.exists()


def test_the_folder_goes_when_the_block_fails():
    with pytest.raises(RuntimeError), docker_config(LOGINS, user_folder=None) as folder:
        raise RuntimeError
    assert not folder.exists()


def test_the_users_other_logins_builders_and_plugins_stay_in_reach(tmp_path):
    (tmp_path / "buildx").mkdir()
    (tmp_path / "buildx" / "current").write_text("mine")
    other = {"auth": "b3RoZXI="}
    config = {
        "auths": {"other.example": other, "localhost:5000": {"auth": "b2xk"}},
        "proxies": {"default": {}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with docker_config(LOGINS, user_folder=tmp_path) as folder:
        assert read(folder)["auths"]["other.example"] == other
        assert read(folder)["auths"]["localhost:5000"] != {"auth": "b2xk"}
        assert read(folder)["proxies"] == {"default": {}}
        assert (folder / "buildx" / "current").read_text() == "mine"
    assert json.loads((tmp_path / "config.json").read_text()) == config
    assert (tmp_path / "buildx" / "current").read_text() == "mine"


def test_a_credential_store_keeps_the_other_hosts_and_does_not_hide_ours(tmp_path):
    config = {"auths": {"other.example": {}, "localhost:5000": {}}, "credsStore": "desktop"}
    config["credHelpers"] = {"localhost:5000": "ecr-login", "third.example": "gcloud"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with docker_config(LOGINS, user_folder=tmp_path) as folder:
        written = read(folder)
    assert "credsStore" not in written
    assert written["credHelpers"] == {"other.example": "desktop", "third.example": "gcloud"}
    assert "auth" in written["auths"]["localhost:5000"]


@pytest.mark.parametrize("content", ["{", "[1]", '"x"'])
def test_a_broken_config_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(SettingsError, match=r"config\.json"), docker_config(LOGINS, user_folder=tmp_path):
        pass
