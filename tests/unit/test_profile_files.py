"""Profile files: found, read strictly, and laid over those they extend."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.profile_files import merge
from nightly_pipeline.settings import load_settings
from tests.unit.own_profile import load, refusal

# --- extending


def test_a_profile_changes_what_it_names_and_keeps_the_rest(tmp_path):
    changed = load(tmp_path, "max_concurrent_steps: 9\nregistries: {acr: {repository: other}}\n")
    local = load_settings("local", environment={}, root=changed.root)

    assert (changed.max_concurrent_steps, changed.registries["acr"].repository) == (9, "other")
    assert changed.registries["acr"].host == "localhost:5001"
    assert changed.table == local.table


def test_a_row_of_the_table_is_changed_in_place(tmp_path):
    changed = load(
        tmp_path, "table: {frameworks: {vllm: {version: 0.33.0}}, stages: {unit: {timeout_minutes: 5}}}\n"
    )

    assert changed.table.frameworks["vllm"].version == "0.33.0"
    assert changed.table.frameworks["vllm"].base.tag == "25.04-cuda12.9-devel-ubuntu24.04"
    assert changed.table.stages["unit"].timeout_minutes == 5
    assert list(changed.table.frameworks) == ["vllm", "sglang", "trtllm"]


def test_a_null_takes_a_row_out(tmp_path):
    changed = load(tmp_path, "table: {frameworks: {trtllm: null}, stages: {e2e_multi_gpu: null}}\n")

    assert list(changed.table.frameworks) == ["vllm", "sglang"]
    assert list(changed.table.stages) == ["unit", "integration", "e2e_single_gpu"]


@pytest.mark.parametrize("text", ["table:\n", "table: {}\n", "build:\n"])
def test_a_section_that_says_nothing_changes_nothing_it_needs(tmp_path, text):
    assert list(load(tmp_path, text).table.frameworks) == ["vllm", "sglang", "trtllm"]


def test_what_a_profile_extends_is_found_beside_it(tmp_path, monkeypatch):
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "base.yaml").write_text("extends: local\nmax_concurrent_steps: 5\n")
    (folder / "own.yaml").write_text("extends: base.yaml\nartifacts_days: 3\n")
    monkeypatch.chdir(tmp_path)

    settings = load_settings("profiles/own.yaml", environment={}, root=tmp_path)

    assert (settings.max_concurrent_steps, settings.artifacts_days) == (5, 3)


@pytest.mark.parametrize("chain", [["a"], ["a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize(
    "spelling", ["{}.yaml", "./{}.yaml", "../{}/../" + "{}.yaml"], ids=["plain", "dot", "around"]
)
def test_a_profile_that_extends_itself_is_refused_with_the_way_round(chain, spelling, tmp_path):
    (tmp_path / "x").mkdir()
    for name, parent in zip(chain, [*chain[1:], chain[0]], strict=True):
        target = spelling.format(parent) if spelling.count("{}") == 1 else f"x/../{parent}.yaml"
        (tmp_path / f"{name}.yaml").write_text(f"extends: {target}\n")

    with pytest.raises(SettingsError, match="extends itself: ") as refused:
        load_settings(str(tmp_path / "a.yaml"), environment={}, root=tmp_path)

    way = refused.value.message.partition("extends itself: ")[2].split(" -> ")
    assert [Path(step).stem for step in way] == [*chain, chain[0]]


@pytest.mark.parametrize(("text", "given"), [("extends: [local]\n", "['local']"), ("extends: 5\n", "5")])
def test_extends_names_one_profile(tmp_path, text, given):
    assert f"extends must name one profile (given: {given})" in refusal(tmp_path, text)


MAPPINGS = st.recursive(
    st.dictionaries(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 3))),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(inner, st.none(), st.integers(0, 3))),
    max_leaves=8,
)


@given(below=MAPPINGS, above=MAPPINGS)
def test_merging_follows_its_rule_key_by_key(below, above):
    merged = merge(below, above)

    for key in {*below, *above}:
        lower, upper = below.get(key), above.get(key)
        if key not in above:
            assert merged[key] == lower
        elif upper is None and isinstance(lower, dict):
            assert key not in merged
        elif isinstance(upper, dict) and isinstance(lower, dict):
            assert merged[key] == merge(lower, upper)
        else:
            assert merged[key] == upper
    assert set(merged) <= {*below, *above}


@given(document=MAPPINGS)
def test_merging_with_nothing_changes_nothing(document):
    assert merge(document, {}) == document
    assert merge({}, document) == document


@given(below=MAPPINGS, above=MAPPINGS)
def test_merging_leaves_what_it_merges_as_it_was(below, above):
    before = repr((below, above))
    merge(below, above)

    assert repr((below, above)) == before


@given(below=MAPPINGS, above=MAPPINGS)
def test_rows_keep_the_order_of_below_and_new_ones_come_last(below, above):
    merged = list(merge(below, above))

    assert merged == [key for key in (*below, *(key for key in above if key not in below)) if key in merged]


# --- files that are none


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [\n", "is not valid YAML"),
        ("a: 1\n b: 2\n", "is not valid YAML"),
        ("a: \x07\n", "is not valid YAML"),
        ("a: !!python/object/apply:os.getcwd []\n", "is not valid YAML"),
        ("a: !!int x\n", "is not valid YAML"),
        ("- local\n", "must be a mapping of fields, not list"),
        ("just text\n", "must be a mapping of fields, not str"),
        ("", "must be a mapping of fields, not NoneType"),
        ("extends: local\nartifacts_days: 1\nartifacts_days: 2\n", "'artifacts_days' is there twice"),
    ],
)
def test_what_is_no_profile_at_all_is_refused(tmp_path, text, said):
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(SettingsError) as refused:
        load_settings(str(path), environment={}, root=tmp_path)

    assert said in refused.value.message
    assert str(path) in refused.value.message


def test_malformed_yaml_is_shown_with_its_line(tmp_path):
    assert "line 3, column" in refusal(
        tmp_path, "max_concurrent_steps: 4\ntable: {stages: {unit: {gpus: 1}}\n"
    )


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", "titel: Übung".encode("latin-1")])
def test_a_file_that_is_not_utf8_is_refused(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)

    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(str(path), environment={}, root=tmp_path)


def test_a_folder_is_no_profile(tmp_path):
    with pytest.raises(SettingsError, match="no profile"):
        load_settings(str(tmp_path), environment={}, root=tmp_path)
