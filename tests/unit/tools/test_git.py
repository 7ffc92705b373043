from __future__ import annotations

import os
import stat
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nightly_pipeline.errors import NightlyError, SourceError
from nightly_pipeline.tools.git import GitRepository
from nightly_pipeline.tools.git_mirror import is_address
from tests.fakes.http_server import Handler, HttpServer

FIRST = datetime(2026, 1, 1, tzinfo=UTC)


class Checkout:
    """A checkout that is written to with plain git."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")

    def git(self, *arguments, at=FIRST):
        env = {**os.environ, "GIT_COMMITTER_DATE": at.isoformat(), "GIT_AUTHOR_DATE": FIRST.isoformat()}
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, name, content="x", mode=0o644):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        file.chmod(mode)

    def commit(self, subject, at=FIRST):
        self.git("add", "--all", at=at)
        self.git("commit", "--quiet", "--allow-empty", "-m", subject, at=at)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    checkout.write("a.txt", "one")
    checkout.first = checkout.commit("First commit")
    return checkout


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def repository(checkout, cache):
    return GitRepository(str(checkout.path), cache=cache)


def test_the_head_of_a_clean_checkout(repository, checkout):
    revision = repository.resolve("HEAD")
    assert revision.commit == checkout.first
    assert revision.tree == checkout.git("rev-parse", "HEAD^{tree}")
    assert (revision.author, revision.subject) == ("Ada", "First commit")
    assert revision.committed_at == FIRST
    assert (revision.dirty, revision.label) == (False, checkout.first)
    assert (revision.repository, revision.ref) == (str(checkout.path), "HEAD")


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


def test_a_detached_head(repository, checkout):
    second = checkout.commit("Second")
    checkout.git("checkout", "--quiet", checkout.first)
    checkout.write("a.txt", "changed")
    assert repository.resolve("HEAD").dirty
    assert (repository.resolve("main").commit, repository.resolve("main").dirty) == (second, False)


def test_tags_and_short_hashes(repository, checkout):
    checkout.git("tag", "-a", "v1", "-m", "annotated")
    assert repository.resolve("v1").commit == checkout.first
    assert repository.resolve(checkout.first[:10]).commit == checkout.first


def test_a_past_night_is_what_the_head_was_then(repository, checkout):
    days = [FIRST + timedelta(days=day) for day in range(4)]
    commits = [checkout.first, *(checkout.commit(f"Day {day.day}", at=day) for day in days[1:])]
    checkout.write("a.txt", "changed")
    for day, commit in zip(days, commits, strict=True):
        revision = repository.resolve("main", at=day + timedelta(hours=8))
        assert (revision.commit, revision.dirty) == (commit, False)
    assert repository.resolve("main", at=days[1]).commit == commits[1]
    assert repository.resolve("main", at=days[1] - timedelta(seconds=1)).commit == commits[0]


def test_what_was_merged_later_was_not_the_head_then(repository, checkout):
    checkout.git("checkout", "--quiet", "-b", "feature")
    checkout.commit("On a branch", at=FIRST + timedelta(days=1))
    checkout.git("checkout", "--quiet", "main")
    merged = FIRST + timedelta(days=3)
    checkout.git("merge", "--quiet", "--no-ff", "-m", "Merge", "feature", at=merged)
    assert repository.resolve("main", at=FIRST + timedelta(days=2)).commit == checkout.first
    assert repository.resolve("main", at=merged).subject == "Merge"


def test_the_commits_between_two_newest_first_with_who_wrote_them(repository, checkout):
    checkout.git("commit", "--quiet", "--allow-empty", "-m", "By Bob", "--author", "Bob <bob@example.org>")
    last = checkout.commit("Newest: with: colons")
    found = repository.between(checkout.first, last)
    assert [(commit.author, commit.subject) for commit in found] == [
        ("Ada", "Newest: with: colons"),
        ("Bob", "By Bob"),
    ]
    assert found[0].revision == last
    assert repository.between(last, last) == ()
    assert repository.between(last, checkout.first) == ()


def test_a_merge_is_one_step_of_the_branch_or_none_of_its_peoples(repository, checkout):
    checkout.git("checkout", "--quiet", "-b", "topic")
    checkout.commit("On the topic")
    checkout.git("checkout", "--quiet", "main")
    checkout.git("merge", "--quiet", "--no-ff", "-m", "Merge the topic", "topic")
    head = checkout.git("rev-parse", "HEAD")
    subjects = [commit.subject for commit in repository.between(checkout.first, head)]
    along = [commit.subject for commit in repository.between(checkout.first, head, first_parent=True)]
    assert (subjects, along) == (["On the topic"], ["Merge the topic"])


def test_a_commit_that_is_gone_is_no_empty_list(repository, checkout):
    with pytest.raises(SourceError):
        repository.between("0" * 40, checkout.first)


def test_a_hash_means_that_commit_whatever_the_night(repository, checkout):
    long_ago = FIRST - timedelta(days=100)
    assert repository.resolve(checkout.first, at=long_ago).commit == checkout.first


def test_before_the_first_commit_there_is_nothing(repository, checkout):
    with pytest.raises(
        SourceError, match=f"first commit is {checkout.first[:12]} of 2026-01-01T00:00"
    ) as caught:
        repository.resolve("main", at=FIRST - timedelta(days=1))
    assert "--revision COMMIT" in caught.value.next_step


def test_a_night_needs_a_timezone(repository):
    with pytest.raises(ValueError, match="timezone"):
        repository.resolve("main", at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_an_unknown_ref_names_its_neighbours(repository, checkout):
    checkout.git("branch", "release-1.2")
    with pytest.raises(SourceError, match=r"no branch, tag or commit `relaese-1.2`") as caught:
        repository.resolve("relaese-1.2")
    assert caught.value.next_step == "Perhaps you meant: release-1.2."


@pytest.mark.parametrize("ref", ["--all", "-n1", "--output=/tmp/x"])
def test_a_ref_is_never_an_option(repository, ref):
    with pytest.raises(SourceError, match="no branch, tag or commit"):
        repository.resolve(ref)


def test_an_unknown_hash(repository):
    with pytest.raises(SourceError, match="no branch, tag or commit"):
        repository.resolve("0123456789abcdef0123456789abcdef01234567")


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
