"""The schemas an export must satisfy: our own, strict one, and the one Jenkins reads by."""

from __future__ import annotations

from pathlib import Path

from lxml import etree

FOLDER = Path(__file__).parent
OURS = etree.XMLSchema(etree.parse(FOLDER / "junit_xunit1.xsd"))
JENKINS = etree.XMLSchema(etree.parse(FOLDER / "junit_10.xsd"))
ONLY_XUNIT1 = ("file", "line")  # Jenkins' schema is of xunit2; Jenkins itself takes them


def validate(path: Path) -> None:
    """Raise etree.DocumentInvalid, with what is wrong and where, unless both schemas are satisfied."""
    document = etree.parse(path)
    OURS.assertValid(document)
    for case in document.iter("testcase"):
        for name in ONLY_XUNIT1:
            case.attrib.pop(name, None)
    JENKINS.assertValid(document)
