"""No text of the past becomes a part of the page that it stands on."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings

from nightly_pipeline.model.history import EntryRow
from nightly_pipeline.model.judgement import Commit, PackageChange, StepChange, Verdict
from nightly_pipeline.model.report import Report, with_judgement
from nightly_pipeline.model.trends import trends_of
from tests.factories import failure, stage, whole_night
from tests.hostile import ATTACKS, hostile_text
from tests.judged import DATES, judgement, test_of, verdict
from tests.unit.page.judged_pages import page
from tests.unit.page.pages import words


@settings(max_examples=60, deadline=None)
@given(hostile_text.filter(str.strip))
def test_no_text_of_the_past_becomes_an_element(text: str) -> None:
    shown, plain = (
        page(_with_text(one), trends_of(_with_text(one), [], _rows(one))) for one in (text, "plain")
    )

    assert Counter(one.tag for one in shown.iter()) == Counter(one.tag for one in plain.iter())
    assert Counter(name for one in shown.iter() for name in one.attrib) == Counter(
        name for one in plain.iter() for name in one.attrib
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_script_of_an_incident_or_author_survives(attack: str) -> None:
    tree = page(_with_text(attack), trends_of(_with_text(attack), [], _rows(attack)))

    assert len(tree.xpath("//script")) == 1
    assert not [name for one in tree.iter() for name in one.attrib if name.startswith("on")]
    assert not [one for one in tree.xpath("//@href") if one.lower().startswith("javascript:")]


def _rows(text: str) -> list[EntryRow]:
    name = f"stage {text}"
    return [
        EntryRow(
            date=date, run_id=text, framework=f"f {text}", arch="amd64", name=name, status="passed", good=True
        ).model_copy(update={"duration_s": 3.0, "passed": 4})
        for date in DATES[-3:-1]
    ]


def _with_text(text: str) -> Report:
    """The past of a night with this text wherever text can come in."""
    base = judgement()
    test = test_of("vllm/amd64/unit", f"t {text}")
    words_ = {"why": text, "owners": (text,), "last_good_revision": text, "incident": text}
    incident = base.incidents[0].model_copy(
        update={
            "id": text,
            "title": f"t {text}",
            "message": f"first\n{text}",
            "tests": (test,),
            "owners": (text,),
            "suspects": (text,),
            "last_good_revision": text,
        }
    )
    judged = base.model_copy(
        update={
            "quarantine": (
                base.quarantine[0].model_copy(update={"test": text, "reason": text, "owner": text}),
            ),
            "verdicts": (verdict("vllm/amd64/unit", f"t {text}", "new", "F", **words_),),
            "incidents": (incident,),
            "drifts": (base.drifts[2].model_copy(update={"name": f"n {text}"}),),
            "commits": (Commit(revision=text, author=text, subject=text),),
            "changes": (
                base.changes[0].model_copy(
                    update={
                        "packages": (PackageChange(name=text, before=text, after=None),),
                        "base_after": text,
                        "steps": (StepChange(name=text, before_s=1.0, after_s=200.0),),
                    }
                ),
            ),
        }
    )
    failing = failure(f"t {text}", f"first\n{text}", output=f"o {text}")
    return with_judgement(whole_night(stage(status="failed", failures=[failing])), judged)


def test_the_text_above_reaches_the_page() -> None:
    tree = page(_with_text("a-mark"), trends_of(_with_text("a-mark"), [], _rows("a-mark")))

    assert words(tree.find(".//body")).count("a-mark") > 20
    assert Verdict.NEW in {one.verdict for one in _with_text("x").judgement.verdicts}
