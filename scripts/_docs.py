"""Everything that is written twice is written here the second time; see scripts/docs."""

from __future__ import annotations

import difflib
import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from agent.commands.main import COMMANDS, help_of
from agent.core import config as keys
from agent.core import message
from agent.core.choice import Choice
from agent.core.sensor import may_be_several
from agent.core.units import Quantity
from agent.engine import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
WIDTH: Final = 100
SCHEMAS: Final = {
    "window": message.Window,
    "event": message.Event,
    "status": message.Status,
    "meta": message.Meta,
}


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which of them differ."""
    check = arguments == ["--check"]
    if arguments and not check:
        sys.stderr.write("scripts/docs [--check]\n")
        return 2
    stale = []
    for path, text in generated().items():
        file = ROOT / path
        old = file.read_text(encoding="utf-8") if file.is_file() else ""
        if old == text:
            continue
        stale.append(path)
        if check:
            sys.stderr.writelines(
                difflib.unified_diff(old.splitlines(keepends=True), text.splitlines(keepends=True), path, "generated")
            )
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    if check and stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run scripts/docs\n")
        return 1
    return 0


def generated() -> dict[str, str]:
    """Return path → text of every file that is generated, in whole or between its marks."""
    files = {
        "config.toml": config_toml(),
        "README.md": marked("README.md", {"sensors": sensor_table()}),
        "docs/configuration.md": marked("docs/configuration.md", {"keys": key_table()}),
        "docs/messages.md": marked("docs/messages.md", {"events": event_table(), "metrics": metric_table()}),
        "docs/commands.md": marked("docs/commands.md", {"commands": command_table()}),
    }
    for name, struct in SCHEMAS.items():
        schema = msgspec.json.schema(struct)
        files[f"docs/schema/{name}.schema.json"] = json.dumps(schema, indent=1, sort_keys=True) + "\n"
    return files


def marked(path: str, parts: dict[str, str]) -> str:
    """Return a file's text with the parts between `<!-- NAME -->` and `<!-- /NAME -->` replaced."""
    text = (ROOT / path).read_text(encoding="utf-8")
    for name, part in parts.items():
        head, begin, rest = text.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- /{name} -->")
        if not begin or not end:
            raise SystemExit(f"{path} has no place for {name}")
        text = f"{head}{begin}{part}{end}{tail}"
    return text


def tables() -> Iterator[tuple[str, type[msgspec.Struct], bool]]:
    """Yield every table of the configuration: its name, its struct, and whether it may stand several times."""
    for field in msgspec.structs.fields(keys.Config):
        kind = getattr(keys, f"{field.name.capitalize()}Config")
        yield field.name, kind, field.name == "workload"
        if field.name == "sensors":
            for name, sensor in catalogue.kinds().items():
                yield f"sensors.{name}", sensor.Config, may_be_several(sensor)


def fields(kind: type[msgspec.Struct]) -> Iterator[tuple[str, str, str]]:
    """Yield every key of a table: its name, its default as written, what it means."""
    for field in msgspec.structs.fields(kind):
        if field.name in {"tables", "several"}:
            continue
        said = next((part.description for part in getattr(field.type, "__metadata__", ()) if isinstance(part, msgspec.Meta)), None)
        yield field.name, written(field.default), said or inherited(kind, field.name)


def inherited(kind: type[msgspec.Struct], name: str) -> str:
    """Return what a key means where a sensor only changes its default."""
    for base in kind.__mro__[1:]:
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            for key, _, said in fields(base):
                if key == name and said:
                    return said
    return ""


def written(value: object) -> str:
    """Return a default as TOML."""
    if isinstance(value, Quantity):
        value = str(value)
    if isinstance(value, Choice):
        value = value.written()
    return json.dumps(value)


def config_toml() -> str:
    """Return config.toml: every key with its default, commented out."""
    lines = [
        "# emberd's configuration. Every key is shown with its default, commented out: change what you need.",
        "# `emberd check` says whether a file is right and what it comes to. Generated by scripts/docs from the code.",
        "",
    ]
    for name, kind, several in tables():
        about = (kind.__doc__ or "").split("\n\n", maxsplit=1)[0]
        lines += [f"# {line}" for line in textwrap.wrap(about, WIDTH)]
        lines.append(f"#[[{name}]]" if several else f"#[{name}]")
        for key, default, said in fields(kind):
            head = f"#{key} = {default}"
            lines += (
                [f"{head:<34} # {said}"] if len(said) <= WIDTH else [*(f"# {line}" for line in textwrap.wrap(said, WIDTH)), head]
            )
        lines.append("")
    return "\n".join(lines)


def key_table() -> str:
    """Return the table of docs/configuration.md."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for name, kind, several in tables():
        place = f"[[{name}]]" if several else f"[{name}]"
        lines += [f"| `{place}` `{key}` | `{default}` | {said} |" for key, default, said in fields(kind)]
    return "\n".join(lines) + "\n"


def sensor_table() -> str:
    """Return the table of sensors."""
    lines = ["| source | read every | what it gives |", "|---|---|---|"]
    for name, kind in catalogue.kinds().items():
        gives = "; ".join(f"`{metric.name}`" for metric in kind.METRICS)
        what = (kind.Config.__doc__ or "").strip().rstrip(".")
        lines.append(f"| `{name}` | {kind.Config().period} | {what}: {gives} |")
    return "\n".join(lines) + "\n"


def metric_table() -> str:
    """Return the table of metrics."""
    lines = ["| metric | from | over a window | meaning |", "|---|---|---|---|"]
    for name, kind in catalogue.kinds().items():
        lines += [f"| `{metric.name}` | `{name}` | {metric.fold.value} | {metric.describes} |" for metric in kind.METRICS]
    return "\n".join(lines) + "\n"


def event_table() -> str:
    """Return the table of events."""
    lines = ["| kind | when |", "|---|---|"]
    lines += [f"| `{kind}` | {said} |" for kind, said in message.EVENT_KINDS.items()]
    return "\n".join(lines) + "\n"


def command_table() -> str:
    """Return the table of commands."""
    lines = ["| command | does |", "|---|---|"]
    lines += [f"| `emberd {name}` | {help_of(name)} |" for name in COMMANDS]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
