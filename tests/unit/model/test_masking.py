"""No secret in what is shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightly_pipeline.model.masking import MASK, SHORTEST_SECRET, masked, without_credentials

SECRETS = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=SHORTEST_SECRET)


@given(before=st.text(), secret=SECRETS, after=st.text(), ascii_only=st.booleans())
def test_a_secret_is_masked_as_it_is_and_as_json_spells_it(before, secret, after, ascii_only):
    spelled = json.dumps({"text": before + secret + after}, ensure_ascii=ascii_only)

    assert secret not in masked(before + secret + after, [secret])
    assert json.dumps(secret, ensure_ascii=ascii_only)[1:-1] not in masked(spelled, [secret])


@given(text=st.text())
def test_without_secrets_a_text_stays_as_it_is(text):
    assert masked(text, []) == text


@pytest.mark.parametrize("secret", ["", "1", "no", "token"])
def test_what_is_too_short_for_a_secret_is_left_alone(secret):
    assert masked("a token is no 1", [secret]) == "a token is no 1"


def test_a_secret_in_a_secret_leaves_nothing_of_the_longer_one():
    assert masked("hf_secret_long", ["secret", "hf_secret_long"]) == MASK


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:token@example.org/x.git", "https://example.org/x.git"),
        ("https://token@example.org/x.git", "https://example.org/x.git"),
        ("ssh://git@example.org/x.git", "ssh://example.org/x.git"),
        ("git@example.org:team/x.git", "git@example.org:team/x.git"),
        ("https://example.org/x.git", "https://example.org/x.git"),
        ("/srv/repositories/x@2", "/srv/repositories/x@2"),
        (".", "."),
    ],
)
def test_the_user_part_of_an_address_is_left_out(address, shown):
    assert without_credentials(address) == shown
