"""Profile files: found, read, and laid over those they extend. What is in them is validated by `settings`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError

from nightly_pipeline.errors import SettingsError
from nightly_pipeline.model.spelling import nearest

SHIPPED_PROFILES = ("local", "local-real", "production")


def read_profile(name: str) -> dict[str, Any]:
    """A profile as plain values, laid over those it extends.

    Args:
        name: a shipped name, or the path of a YAML file. What a file extends is a shipped name too, or a path
            relative to the file's own folder.

    Raises:
        SettingsError: there is no such profile, it cannot be read, is not valid YAML, or extends itself.
    """
    return _read(name, folder=Path(), seen=())


def shipped_table() -> dict[str, Any]:
    """The table of the night as it is shipped."""
    return _parse(_shipped_text("night"), "night")


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings merge key by key, `above` winning; a null removes the row below; anything else replaces."""
    merged = dict(below)
    for key, value in above.items():
        if value is None and isinstance(merged.get(key), Mapping):
            del merged[key]
        elif isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def from_variables(
    overrides: Mapping[str, tuple[str, ...]], environment: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields that environment variables set, and the path of each such field -> its variable.

    Args:
        overrides: variable -> the field, from the outermost section inwards.
        environment: the variables; an empty one counts as not set.
    """
    fields: dict[str, Any] = {}
    origins = {}
    for variable, path in overrides.items():
        if environment.get(variable):
            value: Any = environment[variable]
            for part in reversed(path):
                value = {part: value}
            fields = merge(fields, value)
            origins[".".join(path)] = variable
    return fields, origins


def _read(name: str, folder: Path, seen: tuple[str, ...]) -> dict[str, Any]:
    path = None if name in SHIPPED_PROFILES else (folder / name).absolute()
    identity = str(path.resolve()) if path else name
    if identity in seen:
        raise SettingsError(f"profile {name!r} extends itself: {' -> '.join((*seen, identity))}")
    document = _parse(_text(path, name) if path else _shipped_text(name), name)
    parent = document.pop("extends", None)
    if parent is None:
        return document
    if not isinstance(parent, str):
        raise SettingsError(f"profile {name!r}: extends must name one profile (given: {parent!r})")
    return merge(_read(parent, path.parent if path else Path(), (*seen, identity)), document)


def _text(path: Path, name: str) -> str:
    if not path.is_file():
        suggestion = nearest(name, SHIPPED_PROFILES)
        perhaps = f"; perhaps you meant {suggestion!r}" if suggestion else ""
        raise SettingsError(
            f"no profile {name!r}{perhaps}. Allowed: {', '.join(SHIPPED_PROFILES)}, or the path of a file",
            next_step="Choose with --profile or NIGHTLY_PROFILE.",
        )
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"profile {name!r} cannot be read: {error}", next_step="It must be a readable file in UTF-8."
        ) from None


def _shipped_text(name: str) -> str:
    return (resources.files("nightly_pipeline") / "profiles" / f"{name}.yaml").read_text(encoding="utf-8")


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        document = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - a safe loader that is stricter than YAML's own
    except (yaml.YAMLError, ValueError) as error:
        raise SettingsError(f"profile {name!r} is not valid YAML: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"profile {name!r} must be a mapping of fields, not {type(document).__name__}")
    return document


class StrictLoader(yaml.SafeLoader):
    """YAML without its traps: no key twice (the last would win in silence), and dates are left as text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as YAML's own class has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """A mapping; a key that is there twice is an error."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise ComposerError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return node
