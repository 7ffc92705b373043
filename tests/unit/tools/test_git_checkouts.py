"""Repositories on this machine: changes not committed, every kind of folder, and exports."""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from nightly_pipeline.errors import SourceError
from nightly_pipeline.tools.git import GitRepository
from tests.unit.tools.checkouts import FIRST, Checkout


@pytest.mark.parametrize("ref", ["HEAD", "@", "main", "refs/heads/main"])
def test_what_is_checked_out_is_taken_with_its_changes(repository, checkout, ref):
    checkout.write("a.txt", "changed")
    checkout.write("new/file.txt")
    checkout.write("ignored.log")
    checkout.write(".gitignore", "*.log\n")
    revision = repository.resolve(ref)
    assert revision.dirty
    assert revision.commit == checkout.first
    assert revision.label == f"{checkout.first}-dirty.{revision.tree[:8]}"
    root = repository.export(revision, checkout.path.parent / "out")
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert names == [".gitignore", "a.txt", "new/file.txt"]
    assert (root / "a.txt").read_text() == "changed"


def test_the_same_changes_are_the_same_tree_and_other_changes_another(repository, checkout):
    checkout.write("a.txt", "changed")
    tree = repository.resolve("HEAD").tree
    assert repository.resolve("HEAD").tree == tree
    checkout.write("a.txt", "changed again")
    assert repository.resolve("HEAD").tree != tree


def test_a_deleted_file_and_a_staged_one_count_too(repository, checkout):
    checkout.write("staged.txt")
    checkout.git("add", "staged.txt")
    (checkout.path / "a.txt").unlink()
    root = repository.export(repository.resolve("HEAD"), checkout.path.parent / "out")
    assert [path.name for path in root.iterdir()] == ["staged.txt"]


def test_a_checkout_is_never_written_to(repository, checkout):
    checkout.write("a.txt", "changed")
    checkout.write("new.txt")
    before = {path: path.stat().st_mtime_ns for path in checkout.path.rglob("*")}
    repository.export(repository.resolve("HEAD"), checkout.path.parent / "out")
    assert {path: path.stat().st_mtime_ns for path in checkout.path.rglob("*")} == before
    assert checkout.git("status", "--porcelain") == "M a.txt\n?? new.txt"


def test_another_branch_is_not_touched_by_a_dirty_tree(repository, checkout):
    checkout.git("branch", "other")
    checkout.write("a.txt", "changed")
    assert not repository.resolve("other").dirty
    assert not repository.resolve(checkout.first).dirty


def test_a_folder_that_is_no_repository(tmp_path, cache):
    with pytest.raises(SourceError, match="is not a git repository"):
        GitRepository(str(tmp_path), cache=cache).resolve("HEAD")


def test_a_folder_that_is_not_there(tmp_path, cache):
    with pytest.raises(SourceError, match="is not a folder"):
        GitRepository(str(tmp_path / "absent"), cache=cache).resolve("HEAD")


def test_a_folder_inside_another_repository_does_not_stand_for_it(checkout, cache):
    checkout.write("vllm/readme.txt")
    with pytest.raises(SourceError, match="lies inside one") as caught:
        GitRepository(str(checkout.path / "vllm"), cache=cache).resolve("HEAD")
    assert str(checkout.path) in caught.value.next_step


def test_a_repository_without_commits(tmp_path, cache):
    empty = Checkout(tmp_path / "empty")
    with pytest.raises(SourceError, match="has no commits yet"):
        GitRepository(str(empty.path), cache=cache).resolve("HEAD")


def test_a_shallow_clone_says_so(checkout, tmp_path, cache):
    checkout.commit("Second", at=FIRST + timedelta(days=1))
    shallow = tmp_path / "shallow"
    checkout.git("clone", "--quiet", "--depth=1", f"file://{checkout.path}", str(shallow))
    repository = GitRepository(str(shallow), cache=cache)
    assert repository.resolve("HEAD").subject == "Second"
    with pytest.raises(SourceError, match="shallow clone") as caught:
        repository.resolve("HEAD", at=FIRST)
    assert "--unshallow" in caught.value.next_step
    with pytest.raises(SourceError, match="shallow clone"):
        repository.resolve(checkout.first)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a checkout of another user")
def test_a_checkout_of_another_user_says_what_to_do(repository, checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    for path in (checkout.path, checkout.path / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(SourceError, match="belongs to another user") as caught:
        repository.resolve("HEAD")
    assert "safe.directory" in caught.value.next_step


def test_a_linked_worktree_and_a_bare_repository(checkout, tmp_path, cache):
    checkout.git("worktree", "add", "--quiet", "-b", "linked", str(tmp_path / "linked"))
    (tmp_path / "linked" / "new.txt").write_text("x")
    assert GitRepository(str(tmp_path / "linked"), cache=cache).resolve("HEAD").dirty
    checkout.git("clone", "--quiet", "--bare", str(checkout.path), str(tmp_path / "bare.git"))
    bare = GitRepository(str(tmp_path / "bare.git"), cache=cache)
    assert (bare.resolve("main").commit, bare.resolve("main").dirty) == (checkout.first, False)
    assert (bare.export(bare.resolve("main"), tmp_path / "out") / "a.txt").read_text() == "one"


def test_inside_a_git_hook(repository, checkout, monkeypatch, tmp_path):
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, str(tmp_path / "another"))
    assert repository.resolve("HEAD").commit == checkout.first


def test_an_export_depends_on_nothing_but_the_tree(checkout, repository, tmp_path):
    checkout.write("run.sh", mode=0o700)
    checkout.write("secret.txt", mode=0o600)
    checkout.write("left-out.txt")
    checkout.write(".gitattributes", "left-out.txt export-ignore\nsecret.txt export-subst\n")
    (checkout.path / "link").symlink_to("/etc/hostname")
    committed = FIRST + timedelta(days=5)
    checkout.commit("Files", at=committed)
    before = os.umask(0o077)
    try:
        root = repository.export(repository.resolve("HEAD"), tmp_path / "out")
    finally:
        os.umask(before)
    modes = {
        path.name: oct(stat.S_IMODE(path.lstat().st_mode)) for path in root.iterdir() if not path.is_symlink()
    }
    assert modes["run.sh"] == "0o755"
    assert modes["secret.txt"] == modes["left-out.txt"] == "0o644"
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    assert (root / "link").readlink() == Path("/etc/hostname")
    assert {path.lstat().st_mtime for path in (root, *root.iterdir())} == {committed.timestamp()}


def test_an_export_is_made_once(repository, tmp_path):
    revision = repository.resolve("HEAD")
    root = repository.export(revision, tmp_path / "out")
    assert root == tmp_path / "out" / revision.tree
    inode = root.stat().st_ino
    assert repository.export(revision, tmp_path / "out").stat().st_ino == inode
    assert [path.name for path in (tmp_path / "out").iterdir()] == [revision.tree]


def test_exports_at_the_same_time(repository, checkout, tmp_path):
    for number in range(200):
        checkout.write(f"files/{number}.txt", str(number))
    checkout.commit("Many")
    revision, roots = repository.resolve("HEAD"), []
    threads = [
        threading.Thread(target=lambda: roots.append(repository.export(revision, tmp_path / "out")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert roots == [tmp_path / "out" / revision.tree] * 4
    assert len(list((roots[0] / "files").iterdir())) == 200
    assert [path.name for path in (tmp_path / "out").iterdir()] == [revision.tree]


def test_an_export_that_fails_leaves_nothing_that_looks_whole(repository, tmp_path):
    revision = replace(repository.resolve("HEAD"), tree="0" * 40)
    with pytest.raises(SourceError, match="is not in"):
        repository.export(revision, tmp_path / "out")
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_snapshot_that_is_gone_says_so(repository, checkout, tmp_path):
    checkout.write("a.txt", "changed")
    revision = repository.resolve("HEAD")
    elsewhere = GitRepository(str(checkout.path), cache=tmp_path / "another-cache")
    with pytest.raises(SourceError, match="snapshot of the working tree"):
        elsewhere.export(revision, tmp_path / "out")
