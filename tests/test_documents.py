"""What is written must be true: every key, command, metric and event is documented, and what quotes the code agrees with it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from agent.commands.main import COMMANDS
from agent.core import configfile, message
from agent.core.config import Config
from agent.core.sensor import may_be_several
from agent.engine import catalogue
from agent.workload import model as models

ROOT = Path(__file__).resolve().parent.parent
UNITS = ("seconds", "celsius", "watts", "joules", "volts", "amperes", "ohms", "bytes", "hertz", "ratio", "total", "rpm", "level")

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_generated_documents_are_what_the_code_generates() -> None:
    result = subprocess.run([sys.executable, "scripts/_docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_config_toml_uncommented_is_the_defaults() -> None:
    lines = [line[1:] for line in read("config.toml").splitlines() if line.startswith("#") and not line.startswith("# ")]
    document = tomllib.loads("\n".join(lines))
    kinds = catalogue.kinds()
    for name, kind in kinds.items():
        if may_be_several(kind):
            # There is none by default: what stands in the file is one as an example, with every key's default.
            (example,) = document["sensors"].pop(name)
            assert configfile.parse({"sensors": {name: [example]}}, kinds) == configfile.parse({"sensors": {name: [{}]}}, kinds)
    assert configfile.parse(document, kinds) == configfile.parse({}, kinds)
    assert configfile.parse(tomllib.loads(read("config.toml")), kinds) == configfile.parse({}, kinds)


def test_every_key_is_in_the_manual() -> None:
    manual = read("docs/configuration.md")
    for table in msgspec.structs.fields(Config):
        assert f"{table.name}]" in manual
    for name, kind in catalogue.kinds().items():
        for key in kind.Config.__struct_fields__:
            place = f"[[sensors.{name}]]" if may_be_several(kind) else f"[sensors.{name}]"
            assert f"`{place}` `{key}`" in manual


def test_every_command_and_its_options_are_documented() -> None:
    manual = read("docs/commands.md")
    for name in COMMANDS:
        assert f"`emberd {name}`" in manual


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "agent.commands.main", command, "--help"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0
    assert f"usage: emberd {command}" in result.stdout


def test_every_event_kind_that_the_code_raises_is_documented_and_no_other() -> None:
    raised = set()
    for path in (ROOT / "agent").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        raised |= set(re.findall(r"\bevent\(\s*\"([a-z_]+)\"", text)) | set(re.findall(r"OVERFLOW: Final = \"([a-z_]+)\"", text))
    assert raised == set(message.EVENT_KINDS)
    assert all(f"`{kind}`" in read("docs/messages.md") for kind in message.EVENT_KINDS)


def test_every_metric_is_documented_and_carries_its_unit() -> None:
    manual = read("docs/messages.md")
    for kind in catalogue.kinds().values():
        for metric in kind.METRICS:
            assert f"`{metric.name}`" in manual
            assert metric.name.rpartition("_")[2] in UNITS, metric.name


def test_every_sensor_has_its_test_and_says_where_its_facts_come_from() -> None:
    for name, kind in catalogue.kinds().items():
        assert (ROOT / f"tests/sensors/test_{name}.py").is_file()
        assert re.search(r"Source:|\(\d\)|Documentation/", kind.__doc__ or ""), name


def test_every_shipped_model_has_a_card_with_its_hash() -> None:
    for name in models.shipped():
        card = read(f"agent/models/{name}.md")
        assert hashlib.sha256((models.SHIPPED / f"{name}.tflite").read_bytes()).hexdigest() in card


def test_links_between_documents_lead_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_no_document_is_longer_than_a_tired_person_reads() -> None:
    for path in (ROOT / "docs/adr").glob("*.md"):
        assert len(path.read_text(encoding="utf-8").split()) < 450, path.name
