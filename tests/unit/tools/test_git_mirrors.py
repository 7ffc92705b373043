"""Repositories at an address: mirrored, followed, and logged in to."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from nightly_pipeline.errors import NightlyError, SourceError
from nightly_pipeline.tools.git import GitRepository
from nightly_pipeline.tools.git_mirror import is_address
from tests.fakes.http_server import Handler, HttpServer
from tests.unit.tools.checkouts import FIRST


def test_an_address_is_mirrored_and_followed(checkout, cache, tmp_path):
    repository = GitRepository(f"file://{checkout.path}", cache=cache)
    assert repository.resolve("HEAD").commit == checkout.first
    checkout.write("a.txt", "uncommitted")
    assert not repository.resolve("HEAD").dirty
    second = checkout.commit("Second", at=FIRST + timedelta(days=1))
    assert repository.resolve("main").commit == second
    assert repository.resolve("main", at=FIRST).commit == checkout.first
    root = repository.export(repository.resolve("main"), tmp_path / "out")
    assert (root / "a.txt").read_text() == "uncommitted"


def test_a_mirror_forgets_deleted_branches_and_follows_the_default_one(checkout, cache):
    repository = GitRepository(f"file://{checkout.path}", cache=cache)
    checkout.git("branch", "short-lived")
    assert repository.resolve("short-lived").commit == checkout.first
    checkout.git("branch", "--delete", "--quiet", "short-lived")
    checkout.git("checkout", "--quiet", "-b", "trunk")
    newest = checkout.commit("On trunk")
    with pytest.raises(SourceError):
        repository.resolve("short-lived")
    assert repository.resolve("HEAD").commit == newest


def test_a_mirror_that_has_the_commit_needs_no_network(checkout, cache, tmp_path):
    repository = GitRepository(f"file://{checkout.path}", cache=cache)
    revision = repository.resolve("HEAD")
    checkout.path.rename(tmp_path / "moved-away")
    assert repository.resolve(revision.commit).commit == revision.commit
    assert (repository.export(revision, tmp_path / "out") / "a.txt").exists()
    with pytest.raises(SourceError):
        repository.resolve("main")


def test_a_ref_that_is_neither_branch_nor_tag_is_fetched_by_name(checkout, cache):
    hidden = checkout.commit("Proposed")
    checkout.git("update-ref", "refs/pull/1/head", hidden)
    checkout.git("reset", "--quiet", "--hard", checkout.first)
    repository = GitRepository(f"file://{checkout.path}", cache=cache)
    assert repository.resolve("refs/pull/1/head").commit == hidden


def test_two_processes_may_mirror_at_the_same_time(checkout, cache):
    found = []
    address = f"file://{checkout.path}"
    threads = [
        threading.Thread(
            target=lambda: found.append(GitRepository(address, cache=cache).resolve("main").commit)
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [checkout.first] * 3


@pytest.fixture
def refusing_server():
    seen = []

    class Refusing(Handler):
        def any_method(self):
            seen.append(self.headers.get("Authorization"))
            self.give(401, headers={"WWW-Authenticate": 'Basic realm="git"'})

    with HttpServer(Refusing) as server:
        yield f"127.0.0.1:{server.port}", seen


def test_a_login_is_used_and_shown_nowhere(refusing_server, cache):
    host, seen = refusing_server
    repository = GitRepository(f"http://user:s3cret@{host}/team/x.git", cache=cache)
    with pytest.raises(NightlyError) as caught:
        repository.resolve("HEAD")
    shown = f"{caught.value} {caught.value.__cause__} {caught.value.__cause__.argv} {repository!r}"
    assert "s3cret" not in shown
    assert repository.repository == f"http://{host}/team/x.git"
    assert any(header and header.startswith("Basic ") for header in seen)
    assert "login" in caught.value.next_step
    assert not any(
        "s3cret" in path.read_text(errors="replace") for path in cache.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("https://host.example/x.git", True),
        ("ssh://git@host.example/x", True),
        ("git@host.example:team/x.git", True),
        ("file:///srv/x", True),
        (".", False),
        ("../vllm", False),
        ("/srv/x", False),
        ("C@fe", False),
    ],
)
def test_addresses_and_paths(repository, expected):
    assert is_address(repository) is expected
