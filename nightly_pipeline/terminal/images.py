"""The list of images, and one image in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from nightly_pipeline.model.image_list import Answer, ImageList, ImageRow, KnownGood
from nightly_pipeline.model.outcomes import EngineFacts
from nightly_pipeline.model.quantities import NOTHING, bytes_text, digest_text, plural
from nightly_pipeline.model.reading import NIGHT_TONES, Tone
from nightly_pipeline.model.supply_chain import Package
from nightly_pipeline.model.tags import known_good_tag, nightly_tag, run_tag, short_run_id
from nightly_pipeline.steps.image_list import ImageDescription, ImageFacts
from nightly_pipeline.terminal.words import STYLES, column_table, keep_whole, marked, plain_text

COULD_NOT_ASK = "could not ask"
_LABELS = {
    "Engine": ("io.nightly.engine", "io.nightly.engine-version"),
    "Framework": ("io.nightly.framework", "io.nightly.framework-version"),
    "CUDA": ("io.nightly.cuda-version",),
    "Base image": ("org.opencontainers.image.base.name",),
    "Base digest": ("org.opencontainers.image.base.digest",),
    "Commit": ("org.opencontainers.image.revision",),
    "Source": ("org.opencontainers.image.source",),
    "Built": ("org.opencontainers.image.created",),
    "Night": ("io.nightly.date",),
    "Run": ("io.nightly.run-id",),
}


def images_table(images: ImageList) -> RenderableType:
    """The cells of each night, and what known-good is in each registry."""
    nights: dict[str, list[ImageRow]] = {}
    for row in images.rows:
        nights.setdefault(row.date, []).append(row)
    tables: list[RenderableType] = [Text("No image is on record. Start a night: nightly run"), Text()]
    if nights:
        tables = [part for night, rows in nights.items() for part in (_night(night, rows), Text())]
    return Group(*tables, _known_good(images.known_good))


def _night(night: str, rows: Sequence[ImageRow]) -> RenderableType:
    table = column_table("Cell", "Digest", "Size", "Engine", "Verdict", "Tags", title=night)
    keep_whole(table, 0, 1, 2, 3, 4)
    for row in rows:
        table.add_row(
            plain_text(f"{row.framework}/{row.arch}"),
            Text(digest_text(row.digest)),
            Text(bytes_text(row.size_bytes)),
            plain_text(_engine(row.engine)),
            marked(NIGHT_TONES[row.verdict], row.verdict.value),
            _tags(row),
        )
    return table


def _engine(engine: EngineFacts | None) -> str:
    if engine is None:
        return NOTHING
    return f"{'MOCK ' if engine.kind == 'mock' else ''}{engine.version or '?'}"


def _tags(row: ImageRow) -> Text:
    """In short: the run's tag, the moving ones that name it now, and where it is not or could not be asked for."""
    if row.digest is None:
        return plain_text(f"{row.status}: no image")
    cell = (row.framework, row.arch)
    short = {
        run_tag(*cell, row.run_id): f"run {short_run_id(row.run_id)}",
        nightly_tag(*cell): "nightly",
        known_good_tag(*cell): _where_good(row),
    }
    words = [short.get(tag, tag) for tag in row.tags]
    missing = [
        f"{where}{' from' if where == 'gone' else ''} {role}"
        for role, where in row.registries.items()
        if where != "there"
    ]
    text = plain_text("\n".join([*words, *missing]) or NOTHING)
    return Text.assemble((text.plain, STYLES[Tone.UNKNOWN.value])) if missing else text


def _where_good(row: ImageRow) -> str:
    others = [role for role, names in row.known_good.items() if not names]
    good = [role for role, names in row.known_good.items() if names]
    return f"known-good ({', '.join(good)} only)" if others else "known-good"


def _known_good(known: Sequence[KnownGood]) -> RenderableType:
    table = column_table(
        "known-good", "Registry", "Night", "Run", "Digest", "Why", title="What known-good is now"
    )
    keep_whole(table, 0, 1, 2, 3, 4)
    for one in known:
        table.add_row(
            plain_text(one.framework),
            plain_text(one.registry),
            plain_text(one.date or NOTHING),
            plain_text(short_run_id(one.run_id) if one.run_id else NOTHING),
            Text(digest_text(one.digest)),
            marked(Tone.UNKNOWN, COULD_NOT_ASK) if one.problem else plain_text(_why(one)),
        )
    problems = dict.fromkeys(one.problem for one in known if one.problem)
    return Group(table, *(plain_text(problem) for problem in problems))


def _why(one: KnownGood) -> str:
    return "no such tag" if one.digest is None else one.reason or NOTHING


def description(image: ImageDescription) -> RenderableType:
    """One image in full: where it is, what is in it, what it was made of, its packages."""
    lines = {"Reference": image.reference, "Digest": image.digest, "In": _where(image.registries)}
    lines |= {f"  {key}": value for key, value in sorted(image.annotations.items())}
    parts: list[RenderableType] = [_pairs(lines)]
    for one in image.images:
        parts += [Text(), _facts(one), _packages(one)]
    return Group(*parts)


def _where(registries: Mapping[str, Answer]) -> str:
    words = {True: COULD_NOT_ASK, False: "not there"}
    return ", ".join(
        role if answer.digest else f"{role}: {words[bool(answer.problem)]}"
        for role, answer in registries.items()
    )


def _facts(image: ImageFacts) -> RenderableType:
    lines = {"Platform": image.platform, "Manifest": image.digest, "Size": bytes_text(image.size_bytes)}
    for name, labels in _LABELS.items():
        lines[name] = " ".join(image.labels[label] for label in labels if label in image.labels) or NOTHING
    return _pairs(lines)


def _packages(image: ImageFacts) -> RenderableType:
    if image.packages is None:
        return plain_text(f"Packages: {image.packages_problem or 'no list is attached to this image'}")
    return Group(Text(plural(len(image.packages), "package")), _package_table(image.packages))


def _package_table(packages: Sequence[Package]) -> RenderableType:
    table = column_table("Package", "Version", "Type", "Licence")
    for package in packages:
        table.add_row(
            plain_text(package.name),
            plain_text(package.version or NOTHING),
            plain_text(package.type),
            plain_text(package.licence or NOTHING),
        )
    return table


def _pairs(lines: Mapping[str, str]) -> RenderableType:
    table = column_table("", "")
    table.show_header = False
    keep_whole(table, 0)
    for name, value in lines.items():
        table.add_row(plain_text(name, style="bold"), plain_text(value))
    return table
