"""From a TOML file and the environment to a `Config`, or to one line that says where, what, and what was probably meant."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, get_args

import msgspec

from agent.core import config as keys
from agent.core.choice import Choice, Deadline, Enabled, Pace, Threads
from agent.core.config import Config
from agent.core.errors import ConfigError
from agent.core.sensor import may_be_several
from agent.core.tree import numerically
from agent.core.units import Quantity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.core.sensor import Kind, SensorConfig


class _NoSuchKey(Exception):  # noqa: N818 - caught where it is said
    """A step of an environment variable's name leads nowhere; the text says what is near."""


PREFIX: Final = "EMBERD_"
SYSTEM_PATH: Final = Path("/etc/emberd/config.toml")
_PARSED: Final = (Quantity, Enabled, Threads, Pace, Deadline)


def locate(asked: str | None, environment: Mapping[str, str], here: Path, system: Path = SYSTEM_PATH) -> Path | None:
    """Return the file to read: the one asked for, `$EMBERD_CONFIG`, `./config.toml`, then the system's; or None.

    Raises:
        ConfigError: a file that was asked for is not there.
    """
    named = asked or environment.get("EMBERD_CONFIG")
    if named:
        path = Path(named)
        try:
            if path.is_file():
                return path
        except OSError as error:
            raise ConfigError(f"{named[:200]}: cannot be read: {error.strerror}") from None
        raise ConfigError(f"{named}: there is no such file")
    return next((path for path in (here / "config.toml", system) if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:
        # A folder that is closed to this user: what is in it was not meant for it, and it must know.
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None


def read(path: Path | None, environment: Mapping[str, str], kinds: Mapping[str, Kind]) -> Config:
    """Return the configuration in a file (None: the defaults), with the environment's overrides.

    Raises:
        ConfigError: something in it cannot be right; the message names the file, the key and the nearest right one.
    """
    origin = str(path) if path else "defaults"
    raw: dict[str, Any] = {}
    if path is not None:
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{origin}: cannot be read: {error.strerror}") from error
        except RecursionError:
            raise ConfigError(f"{origin}: not TOML: its brackets are too deep") from None
        except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
            raise ConfigError(f"{origin}: not TOML: {_one_line(str(error))}") from None
    try:
        parsed = parse(raw, kinds)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {_one_line(str(error))}") from None
    overridden = _override(raw, environment, kinds)
    if not overridden:
        return parsed
    try:
        return parse(raw, kinds)
    except ConfigError as error:
        raise ConfigError(f"environment ({', '.join(overridden)}): {_one_line(str(error))}") from None


def parse(raw: Mapping[str, Any], kinds: Mapping[str, Kind]) -> Config:
    """Return the configuration of a decoded TOML document.

    Raises:
        ConfigError: with the key's path, without the file's name.
    """
    document = dict(raw)
    sensors = document.get("sensors", {})
    if not isinstance(sensors, dict):
        raise ConfigError("sensors: must be a table")
    _refuse_unknown(document, Config, "")
    own = set(keys.SensorsConfig.__struct_fields__) - {"tables", "several"}
    for name in sensors:
        if name not in own and name not in kinds:
            raise ConfigError(f"sensors.{name}: unknown key{_nearest(name, [*own, *kinds])}")
    tables = {name: _sensor_tables(name, kind, sensors.get(name)) for name, kind in kinds.items()}
    document["sensors"] = {key: value for key, value in sensors.items() if key in own}
    parsed = _convert(document, Config, "")
    several = tuple(name for name, kind in kinds.items() if may_be_several(kind))
    return msgspec.structs.replace(parsed, sensors=msgspec.structs.replace(parsed.sensors, tables=tables, several=several))


def plain(value: object) -> Any:  # noqa: ANN401 - whatever TOML and JSON can hold
    """Return a configuration, or a part of one, in the words in which it is written."""
    if isinstance(value, keys.SensorsConfig):
        written = {name: [plain(table) for table in tables] for name, tables in value.tables.items()}
        # A table that may stand only once is written as one, not as a list of one.
        return {"root": value.root, **{name: rows if name in value.several else rows[0] for name, rows in written.items()}}
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, Quantity):
        return str(value)
    if isinstance(value, Choice):
        return value.written()
    return value


def _sensor_tables(name: str, kind: Kind, written: object) -> tuple[SensorConfig, ...]:
    if not may_be_several(kind):
        return (_sensor_table(f"sensors.{name}", kind, {} if written is None else written),)
    if written is None:
        return ()
    if not isinstance(written, list):
        raise ConfigError(f"sensors.{name}: there may be several; write [[sensors.{name}]]")
    tables = tuple(_sensor_table(f"sensors.{name}[{index}]", kind, table) for index, table in enumerate(written))
    rails = [str(getattr(table, "rail", "")) for table in tables]
    for rail in rails:
        if rails.count(rail) > 1:
            raise ConfigError(f"sensors.{name}: two of them have the rail {rail!r}")
    return tables


def _sensor_table(place: str, kind: Kind, table: object) -> SensorConfig:
    if not isinstance(table, dict):
        raise ConfigError(f"{place}: must be a table")
    _refuse_unknown(table, kind.Config, f"{place}.")
    return _convert(table, kind.Config, f"{place}.")


def _decode(kind: type, written: object) -> object:
    if issubclass(kind, _PARSED):
        return kind.parse(written)
    raise NotImplementedError(kind)


AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)


def _convert(table: Mapping[str, Any], kind: type[AnyStruct], prefix: str) -> AnyStruct:
    try:
        return msgspec.convert(table, kind, dec_hook=_decode)
    except msgspec.ValidationError as error:
        what, _, where = str(error).rpartition(" - at `$")
        if not what:
            raise ConfigError(f"{prefix.rstrip('.')}{': ' if prefix else ''}{error}") from None
        place = (prefix + where.rstrip("`").lstrip(".")).rstrip(".")
        raise ConfigError(f"{place}: {what}") from None


def _refuse_unknown(table: Mapping[str, Any], kind: type[msgspec.Struct], prefix: str) -> None:
    known = {field.name: field.type for field in msgspec.structs.fields(kind)}
    for key, value in table.items():
        if key not in known:
            raise ConfigError(f"{prefix}{key}: unknown key{_nearest(key, known)}")
        inner = _struct_in(known[key])
        if inner is None or inner is keys.SensorsConfig:
            continue
        if isinstance(value, dict):
            _refuse_unknown(value, inner, f"{prefix}{key}.")
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    _refuse_unknown(item, inner, f"{prefix}{key}[{index}].")


def _nearest(word: str, known: Any) -> str:  # noqa: ANN401 - any collection of words
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{near[0]}"?' if near else f"; known here: {', '.join(sorted(known))}"


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - a type expression
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _override(raw: dict[str, Any], environment: Mapping[str, str], kinds: Mapping[str, Kind]) -> list[str]:
    """Write the environment's values into a decoded document; return the names that were used."""
    used = []
    for name in sorted(environment, key=numerically):
        path = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or not (len(path) > 1 or path[0] in Config.__struct_fields__):
            continue
        try:
            _place(raw, path, environment[name], Config, kinds)
        except _NoSuchKey as error:
            raise ConfigError(f"environment: {name}: there is no such key{error}") from None
        except (TypeError, ValueError, IndexError, AttributeError):
            raise ConfigError(f"environment: {name}: there is no such key") from None
        used.append(name)
    return used


def _place(raw: dict[str, Any], path: list[str], text: str, kind: type[msgspec.Struct], kinds: Mapping[str, Kind]) -> None:
    here: Any = raw
    for position, step in enumerate(path[:-1]):
        table = _field_type(kind, step)
        inner = _struct_in(table)
        if kind is keys.SensorsConfig and step in kinds:
            inner = kinds[step].Config
        if inner is None:
            raise _NoSuchKey(_nearest(step, [*_known(kind), *(kinds if kind is keys.SensorsConfig else ())]))
        kind = inner
        if step == "workload" or (step in kinds and may_be_several(kinds[step])):
            _place_in_row(here, step, path[position + 1 :], text, kind)
            return
        here = here.setdefault(step, {})
    here[path[-1]] = _typed(text, _field_type(kind, path[-1]))


def _place_in_row(table: dict[str, Any], name: str, below: list[str], text: str, kind: type[msgspec.Struct]) -> None:
    """Write a value into the row of a list of tables; one row more than there are begins a new one."""
    # Without any table one workload runs: it is the row that `0` means.
    rows = table.setdefault(name, [{}] if name == "workload" else [])
    index, key = int(below[0]), below[1]
    if len(below) != 2 or not 0 <= index <= len(rows):  # noqa: PLR2004 - the row and the key
        raise _NoSuchKey(f"; {name} has {len(rows)} tables")
    if index == len(rows):
        rows.append({})
    rows[index][key] = _typed(text, _field_type(kind, key))


def _field_type(kind: type[msgspec.Struct], name: str) -> Any:  # noqa: ANN401 - a type expression
    for field in msgspec.structs.fields(kind):
        if field.name == name:
            return field.type
    if kind is keys.SensorsConfig:
        return None
    raise _NoSuchKey(_nearest(name, _known(kind)))


def _known(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(name for name in kind.__struct_fields__ if name not in {"tables", "several"})


def _one_line(text: str) -> str:
    return text.replace("\n", "\\n")


def _typed(text: str, kind: Any) -> Any:  # noqa: ANN401 - whatever TOML can hold
    """Return an environment's text as the type its key has: text stays text, everything else is read as TOML where it can be."""
    bare = cast("Any", get_args(kind)[0] if get_args(kind) and not isinstance(kind, type) else kind)
    if bare is str:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
