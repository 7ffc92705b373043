"""A plan in the terminal: what will happen, where, for how long at most, and what waits for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nightly_pipeline.model.plan import (
    SOURCE_KEY,
    Plan,
    PlannedEntry,
    PlannedImage,
    PlannedIndex,
    PlannedPublication,
    PlannedStage,
)
from nightly_pipeline.model.quantities import NOTHING, plural
from nightly_pipeline.model.reading import MOCK_NOTE, label_of
from nightly_pipeline.settings import Settings
from nightly_pipeline.terminal.words import add_group, column_table, in_order, keep_whole, plain_text

_MINUTE = 60


def plan_table(plan: Plan, settings: Settings | None = None) -> RenderableType:
    """The plan as tables; with settings also the runners' pools and the registries."""
    tables = [_steps(plan), _tags(plan), _stages(plan)]
    if settings is not None:
        tables += [_pools(plan, settings), _registries(settings)]
    return Group(
        *_head(plan),
        *(part for table in tables if table.row_count for part in (Text(), table)),
        Text(),
        *_foot(plan),
    )


def _head(plan: Plan) -> Iterator[RenderableType]:
    yield plain_text(
        f"Profile {plan.profile}, engine {plan.engine}, source {plan.source_repository} at {plan.source_ref}"
    )
    if plan.engine == "mock":
        yield Text(MOCK_NOTE, style="bold yellow")
    if plan.partial:
        yield Text("Partial: only a selected part of the night.", style="yellow")


def _steps(plan: Plan) -> Table:
    table = column_table("Step", "Runner", "At most", "Does", "Waits for")
    table.columns[2].justify = "right"
    keep_whole(table, 2, 3)
    for cell, entries in _by_cell(plan).items():
        add_group(table, cell)
        for entry in entries:
            table.add_row(
                plain_text(_name(entry)),
                plain_text(entry.runner),
                _timeout(entry),
                plain_text(_does(entry)),
                plain_text(_waits_for(entry)),
            )
    return table


def _tags(plan: Plan) -> Table:
    table = column_table("Tag that moves", "To", "In", title="Tags")
    tagged: tuple[PlannedImage | PlannedIndex, ...] = (*plan.images, *plan.indexes)
    for entry in tagged:
        table.add_row(
            plain_text(entry.moving_tag),
            plain_text(label_of(entry.key)),
            plain_text(", ".join(entry.registries)),
        )
    return table


def _stages(plan: Plan) -> Table:
    table = column_table("Stage", "Tests it selects", title="Stages")
    for stage, markers in dict.fromkeys((stage.stage, stage.markers) for stage in plan.stages):
        table.add_row(plain_text(stage), plain_text(markers))
    return table


def _by_cell(plan: Plan) -> dict[str, list[PlannedEntry]]:
    """Cells in the order of the plan, each framework's index after its cells."""
    found: dict[str, dict[str, list[PlannedEntry]]] = {}
    for entry in in_order(plan):
        found.setdefault(entry.framework, {}).setdefault("/".join(entry.key[:-1]), []).append(entry)
    return {cell: entries for cells in found.values() for cell, entries in cells.items()}


def _name(entry: PlannedEntry) -> str:
    return entry.stage if isinstance(entry, PlannedStage) else entry.key[-1]


def _timeout(entry: PlannedEntry) -> str:
    if isinstance(entry, PlannedImage | PlannedStage):
        return f"{entry.timeout_s / _MINUTE:g} min"
    return NOTHING


def _does(entry: PlannedEntry) -> str:
    match entry:
        case PlannedImage():
            return "build"
        case PlannedPublication():
            return "publish"
        case PlannedIndex():
            return "index"
        case PlannedStage():
            return f"{entry.mode}, {plural(entry.gpus, 'GPU')}" if entry.gpus else entry.mode


def _waits_for(entry: PlannedEntry) -> str:
    if isinstance(entry, PlannedIndex):
        return f"published_image of {', '.join(entry.architectures)}"
    return ", ".join(key[-1] for key in entry.depends_on)


def _pools(plan: Plan, settings: Settings) -> Table:
    table = column_table("Runner", "Steps at a time", "Steps of this plan", "Resources", title="Pools")
    used = Counter(entry.runner for entry in plan.entries)
    for name, runner in settings.table.runners.items():
        gpus = f", {runner.gpus} x {runner.gpu_model or 'GPU'}" if runner.gpus else ""
        where = f", {runner.docker_host}" if runner.docker_host else ""
        resources = f"{runner.vcpus} vCPU, {runner.memory_gb:g} GB{gpus}{where}"
        table.add_row(plain_text(name), str(runner.slots), str(used[name]), plain_text(resources))
    return table


def _registries(settings: Settings) -> Table:
    table = column_table("Registry", "Where", "Images", title="Registries")
    for role, registry in settings.registries.items():
        primary = " (builds push here)" if role == settings.primary else ""
        table.add_row(
            plain_text(role + primary),
            plain_text(f"{registry.host}/{registry.repository}"),
            plain_text(", ".join(registry.images)),
        )
    return table


def _foot(plan: Plan) -> Iterator[RenderableType]:
    counted = (
        plural(len(plan.images), "image"),
        plural(len(plan.publications) + len(plan.indexes), "publication"),
        plural(len(plan.stages), "stage"),
    )
    waits = f"Everything waits for {label_of(SOURCE_KEY)}"
    yield Text(f"{', '.join(counted)}. {waits}. Each run adds a tag of its own, -run-RUN_ID.")
