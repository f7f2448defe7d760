from __future__ import annotations

import contextlib
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import configfile
from agent.core.choice import Deadline, Enabled, Pace, Threads
from agent.core.config import Config, WorkloadConfig
from agent.core.errors import ConfigError
from agent.core.sensor import SensorConfig, may_be_several
from agent.core.units import Bytes, Hertz, Seconds
from agent.engine import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent.core.sensor import Kind

    Read = Callable[..., Config]


class ThermalConfig(SensorConfig, frozen=True, kw_only=True):
    period: Seconds = Seconds(0.5)


class TegrastatsConfig(SensorConfig, frozen=True, kw_only=True):
    command: str = "tegrastats"


class InaConfig(SensorConfig, frozen=True, kw_only=True):
    rail: str = "vin"
    address: int = 0x40


def _kind(config: type[SensorConfig], *, many: bool = False) -> Kind:
    return cast("Kind", SimpleNamespace(Config=config, METRICS=(), find=None, MANY=many))


KINDS = {"thermal": _kind(ThermalConfig), "tegrastats": _kind(TegrastatsConfig), "ina226": _kind(InaConfig, many=True)}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads a text as the file `emberd.toml`, with an environment."""

    def from_text(text: str | bytes = "", environment: Mapping[str, str] | None = None) -> Config:
        path = tmp_path / "emberd.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return configfile.read(path, environment or {}, KINDS)

    return from_text


def refusal(read: Read, text: str | bytes, environment: Mapping[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text, environment)
    message = str(caught.value)
    assert "\n" not in message
    return message


# What is looked for, and where.


@pytest.fixture
def places(tmp_path: Path) -> SimpleNamespace:
    """Return four places, each with a file."""
    (tmp_path / "here").mkdir()
    found = SimpleNamespace(
        asked=tmp_path / "asked.toml",
        variable=tmp_path / "variable.toml",
        here=tmp_path / "here" / "config.toml",
        system=tmp_path / "system.toml",
    )
    for path in vars(found).values():
        path.touch()
    return found


def test_the_file_that_was_asked_for_comes_first_then_the_variable_then_here_then_the_system(places: SimpleNamespace) -> None:
    here = places.here.parent
    environment = {"EMBERD_CONFIG": str(places.variable)}
    assert configfile.locate(str(places.asked), environment, here, places.system) == places.asked
    assert configfile.locate(None, environment, here, places.system) == places.variable
    assert configfile.locate(None, {}, here, places.system) == places.here
    places.here.unlink()
    assert configfile.locate(None, {}, here, places.system) == places.system
    places.system.unlink()
    assert configfile.locate(None, {}, here, places.system) is None


def test_the_systems_place_is_the_documented_one() -> None:
    assert Path("/etc/emberd/config.toml") == configfile.SYSTEM_PATH


@pytest.mark.parametrize("named", ["asked", "variable"])
def test_a_file_that_was_named_and_is_not_there_is_an_error_even_if_others_are(places: SimpleNamespace, named: str) -> None:
    missing = str(places.asked.parent / "missing.toml")
    asked, environment = (missing, {}) if named == "asked" else (None, {"EMBERD_CONFIG": missing})
    with pytest.raises(ConfigError, match=r"missing\.toml: there is no such file"):
        configfile.locate(asked, environment, places.here.parent, places.system)


def test_an_empty_variable_names_nothing(places: SimpleNamespace) -> None:
    assert configfile.locate(None, {"EMBERD_CONFIG": ""}, places.here.parent, places.system) == places.here


def test_a_folder_in_the_place_of_a_file_is_an_error_where_it_was_named_and_nothing_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml"):
        configfile.locate(str(tmp_path / "config.toml"), {}, tmp_path, tmp_path / "system.toml")
    assert configfile.locate(None, {}, tmp_path, tmp_path / "system.toml") is None


def test_a_name_that_no_file_can_have_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        configfile.locate("x" * 5000, {}, tmp_path, tmp_path / "system.toml")


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything, where the tests have it."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(65534)
    yield
    os.seteuid(mine)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a configuration, which nobody but its owner may enter."""
    folder = tmp_path / "closed"
    folder.mkdir()
    (folder / "config.toml").touch()
    folder.chmod(0)
    yield folder
    folder.chmod(0o700)


def test_a_folder_that_may_not_be_entered_is_never_a_traceback(closed_folder: Path, as_nobody: None) -> None:
    """A package may close `/etc/emberd` to all but the service, for the sake of passwords; a user runs `emberd check`."""
    inside = closed_folder / "config.toml"
    with pytest.raises(ConfigError):
        configfile.locate(str(inside), {}, Path("/nonexistent"), Path("/nonexistent/config.toml"))
    with contextlib.suppress(ConfigError):
        assert configfile.locate(None, {}, Path("/nonexistent"), inside) is None


# Files that are no configuration.


def test_no_file_gives_the_defaults() -> None:
    config = configfile.read(None, {}, KINDS)
    assert config.device.id == "auto"
    assert config.window.length == 60
    assert [workload.model for workload in config.workload] == ["mobilenet_v2_int8"]
    assert config.mqtt.host == ""
    assert config.spool.max_size == Bytes(100e6)
    assert config.sensors.root == "/"
    assert config.sensors.tables == {"thermal": (ThermalConfig(),), "tegrastats": (TegrastatsConfig(),), "ina226": ()}


def test_an_empty_file_gives_the_defaults(read: Read) -> None:
    assert read("") == configfile.read(None, {}, KINDS)


def test_every_real_sensor_has_a_table_of_defaults_unless_there_may_be_several() -> None:
    kinds = catalogue.kinds()
    tables = configfile.read(None, {}, kinds).sensors.tables
    assert tables == {name: () if may_be_several(kind) else (kind.Config(),) for name, kind in kinds.items()}
    assert all(kind.Config().enabled == Enabled() for kind in kinds.values())


def test_the_defaults_written_down_are_the_defaults() -> None:
    kinds = catalogue.kinds()
    defaults = configfile.parse({}, kinds)
    assert configfile.parse(configfile.plain(defaults), kinds) == defaults


@pytest.mark.parametrize("text", ["[mqtt", "host", "a = b", "[mqtt]\nhost = 'x'\n[mqtt]\n", "[mqtt]\nhost = 'a'\nhost = 'b'", "\0"])
def test_what_is_not_toml_is_an_error_with_the_files_name(read: Read, text: str) -> None:
    message = refusal(read, text)
    assert "emberd.toml: not TOML: " in message


def test_a_file_that_is_not_utf_8_is_an_error(read: Read) -> None:
    assert "emberd.toml: not TOML: " in refusal(read, '[device]\nsite = "Zürich"'.encode("latin-1"))


def test_a_number_of_too_many_digits_is_an_error_in_words(read: Read) -> None:
    assert "emberd.toml: " in refusal(read, f"[mqtt]\nport = {'1' * 5000}")


def test_a_number_beyond_every_float_is_an_error_in_words(read: Read) -> None:
    assert "window.length" in refusal(read, f"[window]\nlength = {'1' * 400}")


def test_brackets_without_end_are_an_error_in_words(read: Read) -> None:
    assert "emberd.toml: not TOML: " in refusal(read, f"a = {'[' * 50_000}")


@pytest.mark.parametrize("place", ["folder", "missing"])
def test_a_file_that_cannot_be_read_is_an_error_with_the_reason(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    if place == "folder":
        path.mkdir()
    with pytest.raises(ConfigError, match=f"{place}: cannot be read: (Is a directory|No such file)"):
        configfile.read(path, {}, KINDS)


# Keys and values.


def test_what_is_written_is_what_is_in_force(read: Read) -> None:
    config = read(
        """
        [device]
        site = "lab.2"
        id = "pi5-03"
        [window]
        length = "10 s"
        rolling = "1 min"
        [[workload]]
        name = "eyes"
        model = "/models/eyes.tflite"
        threads = 2
        pace = "30 Hz"
        deadline = "33 ms"
        [mqtt]
        host = "broker"
        port = 8883
        homeassistant = true
        [spool]
        max_size = "1 GiB"
        """
    )
    assert (config.device.site, config.device.id) == ("lab.2", "pi5-03")
    assert (config.window.length, config.window.rolling) == (Seconds(10), Seconds(60))
    (eyes,) = config.workload
    assert (eyes.threads, eyes.pace, eyes.deadline) == (Threads(2), Pace(Hertz(30)), Deadline(Seconds.parse("33 ms")))
    assert (config.mqtt.host, config.mqtt.port, config.mqtt.homeassistant) == ("broker", 8883, True)
    assert config.spool.max_size == 2**30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mqtt]\nhots = 'x'", 'mqtt.hots: unknown key; did you mean "host"?'),
        ("[mqqt]\nhost = 'x'", 'mqqt: unknown key; did you mean "mqtt"?'),
        ("[window]\nlenght = '1 s'", 'window.lenght: unknown key; did you mean "length"?'),
        ("[[workload]]\nmodle = 'x'", 'workload[0].modle: unknown key; did you mean "model"?'),
        ("[[workload]]\n[[workload]]\nname = 'b'\nthread = 1", 'workload[1].thread: unknown key; did you mean "threads"?'),
        ("[live]\nzzz = 1", "live.zzz: unknown key; known here: socket"),
        ("[sensors]\nrot = '/'", 'sensors.rot: unknown key; did you mean "root"?'),
        ("[sensors.thermel]", 'sensors.thermel: unknown key; did you mean "thermal"?'),
        ("[sensors.tables]", "sensors.tables: unknown key"),
        ("[sensors.thermal]\nperod = 1", 'sensors.thermal.perod: unknown key; did you mean "period"?'),
        ("[sensors.tegrastats]\ncomand = 'x'", 'sensors.tegrastats.comand: unknown key; did you mean "command"?'),
        ("[[sensors.ina226]]\nadress = 1", 'sensors.ina226[0].adress: unknown key; did you mean "address"?'),
        ("[sensors]\nseveral = []", "sensors.several: unknown key"),
        ("[sensors.thermal]\ncommand = 'x'", "sensors.thermal.command: unknown key; known here: enabled, period"),
    ],
)
def test_an_unknown_key_is_an_error_with_the_nearest_known_one(read: Read, text: str, said: str) -> None:
    assert f"emberd.toml: {said}" in refusal(read, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[workload]]\npace = '30 Hx'", "workload[0].pace: '30 Hx' is not a rate; did you mean \"30 Hz\"?"),
        ("[[workload]]\npace = 30", "workload[0].pace: 30 has no unit; write it like '30 Hz'"),
        ("[[workload]]\ndeadline = '33 Hz'", "workload[0].deadline: '33 Hz' is not a duration"),
        ("[[workload]]\nthreads = 0", "workload[0].threads: 0 is neither"),
        ("[[workload]]\nwarmup = 0", "workload[0].warmup: Expected `int` >= 1"),
        ("[[workload]]\nname = 'a b'", "workload[0].name: "),
        ("[[workload]]\nname = ''", "workload[0].name: "),
        ("[[workload]]\ndelegates = 'x.so'", "workload[0].delegates: Expected `array`"),
        ("[[workload]]\nmodel = 1", "workload[0].model: Expected `str`"),
        ("workload = [1]", "workload[0]: Expected `object`"),
        ("workload = 1", "workload: Expected `array`"),
        ("[[workload]]\nname = 'a'\n[[workload]]\nname = 'a'", "two workloads are named 'a'"),
        ("[[workload]]\n[[workload]]", "two workloads are named 'default'"),
        ("[[workload]]\nname = 'agent'", "a workload cannot be named 'agent'"),
        ("[device]\nid = 'Pi5'", "device.id: "),
        ("[device]\nid = 'ab'", "device.id: "),
        (f"[device]\nid = '{'a' * 49}'", "device.id: "),
        ("[device]\nsite = 'a/b'", "device.site: "),
        ("[device]\nsite = '+'", "device.site: "),
        ("[device]\nsite = ''", "device.site: "),
        ("[window]\nlength = 'soon'", "window.length: 'soon' is not a duration"),
        ("[window]\nlength = '1 ms'", "window.length 1 ms is not between 500 ms and 1 h"),
        ("[window]\nlength = '2 h'", "window.length 2 h is not between 500 ms and 1 h"),
        ("[window]\nlength = inf", "window.length: inf is not a duration"),
        ("[window]\nlength = nan", "window.length: nan is not a duration"),
        ("[window]\nlength = true", "window.length: True is not a duration"),
        ("[window]\nlength = 2020-01-01", "window.length: datetime.date(2020, 1, 1) is not a duration"),
        ("[window]\nrolling = 0", "window.rolling 0 s is not between"),
        ("[mqtt]\nport = 0", "mqtt.port: Expected `int` >= 1"),
        ("[mqtt]\nport = 65536", "mqtt.port: Expected `int` <= 65535"),
        ("[mqtt]\nport = '1883'", "mqtt.port: Expected `int`, got `str`"),
        ("[mqtt]\nack = 'never'", "mqtt.ack: "),
        ("[mqtt]\nprofile = 'windows'", "mqtt.profile: "),
        ("[mqtt]\nhomeassistant = 1", "mqtt.homeassistant: Expected `bool`"),
        ("mqtt = 'broker'", "mqtt: Expected `object`"),
        ("[spool]\nmax_size = '100 MW'", "spool.max_size: '100 MW' is not a size; did you mean \"100 MB\"?"),
        ("sensors = 1", "sensors: must be a table"),
        ("[sensors]\nroot = 1", "sensors.root: Expected `str`"),
        ("[sensors]\nthermal = true", "sensors.thermal: must be a table"),
        ("[[sensors.thermal]]", "sensors.thermal: must be a table"),
        ("[sensors.ina226]", "sensors.ina226: there may be several; write [[sensors.ina226]]"),
        ("[sensors]\nina226 = [1]", "sensors.ina226[0]: must be a table"),
        ("[[sensors.ina226]]\n[[sensors.ina226]]", "sensors.ina226: two of them have the rail 'vin'"),
        ("[[sensors.ina226]]\n[[sensors.ina226]]\nrail = 'b'\naddress = 'x'", "sensors.ina226[1].address: Expected `int`"),
        ("[sensors.thermal]\nperiod = '1 week'", "sensors.thermal.period: '1 week' is not a duration"),
        ("[sensors.thermal]\nperiod = '2 h'", "sensors.thermal: period 2 h is not between 1 ms and 1 h"),
        ("[sensors.thermal]\nperiod = 0", "sensors.thermal: period 0 s is not between 1 ms and 1 h"),
        ("[sensors.thermal]\nenabled = 'maybe'", "sensors.thermal.enabled: 'maybe' is not \"auto\", true or false"),
        ("[sensors.thermal]\nenabled = 1", 'sensors.thermal.enabled: 1 is not "auto", true or false'),
    ],
)
def test_a_value_that_cannot_be_right_is_an_error_with_file_place_and_reason(read: Read, text: str, said: str) -> None:
    message = refusal(read, text)
    assert "emberd.toml: " in message
    assert said in message


@pytest.mark.parametrize(
    "text",
    [
        '[device]\nsite = "lab\\n"',
        '[device]\nid = "pi5-03\\n"',
        '[[workload]]\nname = "eyes\\n"',
        '[mqtt]\nack = "auto\\n"',
        '[mqtt]\nprofile = "batch\\n"',
    ],
)
def test_a_line_break_at_the_end_of_a_word_is_not_overlooked(read: Read, text: str) -> None:
    """`$` in a pattern also matches before a final line break; site, id and name become parts of topics and log lines."""
    refusal(read, text)


def test_a_key_with_a_line_break_is_still_answered_in_one_line(read: Read) -> None:
    assert "unknown key" in refusal(read, '[mqtt]\n"ho\\nst" = 1')


@pytest.mark.parametrize(("written", "value"), [('"auto"', None), ("true", True), ("false", False)])
def test_a_sensor_is_auto_or_on_or_off(read: Read, written: str, value: object) -> None:
    assert read(f"[sensors.thermal]\nenabled = {written}").sensors.tables["thermal"][0].enabled.value is value


def test_a_sensors_table_keeps_its_own_keys(read: Read) -> None:
    config = read("[sensors]\nroot = '/host'\n[sensors.tegrastats]\ncommand = '/opt/tegrastats'\nperiod = '5 s'")
    assert config.sensors.root == "/host"
    assert config.sensors.tables["tegrastats"] == (TegrastatsConfig(command="/opt/tegrastats", period=Seconds(5)),)
    assert config.sensors.tables["thermal"] == (ThermalConfig(),)


def test_a_sensor_of_which_there_may_be_several_has_a_table_for_each_and_none_without() -> None:
    config = configfile.parse({"sensors": {"ina226": [{"rail": "vin"}, {"rail": "usb", "address": 0x41}]}}, KINDS)
    assert config.sensors.tables["ina226"] == (InaConfig(rail="vin"), InaConfig(rail="usb", address=0x41))
    assert configfile.parse(configfile.plain(config), KINDS) == config


def test_several_workloads_run_side_by_side_in_the_order_of_the_file(read: Read) -> None:
    config = read("[[workload]]\nname = 'b'\n[[workload]]\nname = 'a'\nthreads = 'auto'\n[[workload]]\nname = 'c.1'")
    assert [workload.name for workload in config.workload] == ["b", "a", "c.1"]


def test_an_empty_list_of_workloads_only_watches_the_board(read: Read) -> None:
    assert read("workload = []\n[window]\nlength = 10").workload == ()


# The environment.


def test_the_environment_goes_before_the_file(read: Read) -> None:
    config = read("[mqtt]\nhost = 'a'\nport = 1000", {"EMBERD_MQTT__HOST": "b"})
    assert (config.mqtt.host, config.mqtt.port) == ("b", 1000)


def test_the_environment_needs_no_file() -> None:
    environment = {"EMBERD_MQTT__HOST": "broker", "EMBERD_WORKLOAD__0__MODEL": "digits_int8", "EMBERD_WINDOW__LENGTH": "10 s"}
    config = configfile.read(None, environment, KINDS)
    assert config.mqtt.host == "broker"
    assert [workload.model for workload in config.workload] == ["digits_int8"]
    assert config.window.length == 10


def test_the_environment_changes_one_key_of_one_workload(read: Read) -> None:
    text = "[[workload]]\nname = 'a'\nmodel = 'm'\npace = '5 Hz'\n[[workload]]\nname = 'b'\nmodel = 'm'"
    config = read(text, {"EMBERD_WORKLOAD__0__MODEL": "n", "EMBERD_WORKLOAD__1__PACE": "30 Hz"})
    assert [(workload.model, workload.pace) for workload in config.workload] == [("n", Pace(Hertz(5))), ("m", Pace(Hertz(30)))]


def test_the_environment_adds_a_workload_after_the_last(read: Read) -> None:
    config = read("[[workload]]\nname = 'a'", {"EMBERD_WORKLOAD__1__NAME": "b", "EMBERD_WORKLOAD__1__MODEL": "n"})
    assert [(workload.name, workload.model) for workload in config.workload] == [("a", "mobilenet_v2_int8"), ("b", "n")]


def test_the_environment_can_ask_for_no_workload(read: Read) -> None:
    assert read("[[workload]]\nname = 'a'", {"EMBERD_WORKLOAD": "[]"}).workload == ()


def test_the_environment_counts_more_than_ten_workloads_in_numerical_order() -> None:
    environment = {"EMBERD_WORKLOAD": "[]", **{f"EMBERD_WORKLOAD__{index}__NAME": f"w{index}" for index in range(12)}}
    assert [workload.name for workload in configfile.read(None, environment, KINDS).workload] == [
        f"w{index}" for index in range(12)
    ]


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("EMBERD_DEVICE__ID", "123", lambda config: config.device.id == "123"),
        ("EMBERD_MQTT__PORT", "8883", lambda config: config.mqtt.port == 8883),
        ("EMBERD_MQTT__HOST", "", lambda config: config.mqtt.host == ""),
        ("EMBERD_MQTT__HOMEASSISTANT", "true", lambda config: config.mqtt.homeassistant),
        ("EMBERD_MQTT__USERNAME", 'a "quoted" name', lambda config: config.mqtt.username == 'a "quoted" name'),
        ("EMBERD_WINDOW__LENGTH", "5", lambda config: config.window.length == 5),
        ("EMBERD_WINDOW__LENGTH", "5s", lambda config: config.window.length == 5),
        ("EMBERD_SPOOL__MAX_SIZE", "1 GB", lambda config: config.spool.max_size == 1e9),
        ("EMBERD_WORKLOAD__0__THREADS", "2", lambda config: config.workload[0].threads == Threads(2)),
        ("EMBERD_WORKLOAD__0__THREADS", "auto", lambda config: config.workload[0].threads == Threads()),
        ("EMBERD_WORKLOAD__0__DELEGATES", '["a.so", "b.so"]', lambda config: config.workload[0].delegates == ("a.so", "b.so")),
        ("EMBERD_SENSORS__ROOT", "/host", lambda config: config.sensors.root == "/host"),
        ("EMBERD_SENSORS__THERMAL__ENABLED", "true", lambda config: config.sensors.tables["thermal"][0].enabled == Enabled(True)),
        ("EMBERD_SENSORS__THERMAL__ENABLED", "auto", lambda config: config.sensors.tables["thermal"][0].enabled == Enabled()),
        ("EMBERD_SENSORS__THERMAL__PERIOD", "2 s", lambda config: config.sensors.tables["thermal"][0].period == 2),
        ("EMBERD_SENSORS__INA226__0__ADDRESS", "0x41", lambda config: config.sensors.tables["ina226"][0].address == 0x41),
        ("EMBERD_SENSORS__TEGRASTATS__COMMAND", "true", lambda config: config.sensors.tables["tegrastats"][0].command == "true"),
    ],
)
def test_the_environments_text_takes_the_type_of_its_key(name: str, text: str, found: Callable[[Any], bool]) -> None:
    assert found(configfile.read(None, {name: text}, KINDS))


@pytest.mark.parametrize(
    "name",
    [
        "EMBERD_MQTT__HOTS",
        "EMBERD_MQTT__",
        "EMBERD_MQTT__HOST__NAME",
        "EMBERD_MQQT__HOST",
        "EMBERD_WORKLOAD__0__MODLE",
        "EMBERD_WORKLOAD__0",
        "EMBERD_WORKLOAD__2__NAME",
        "EMBERD_WORKLOAD__FIRST__NAME",
        "EMBERD_SENSORS__THERMEL__PERIOD",
        "EMBERD_SENSORS__INA226__RAIL",
        "EMBERD_SENSORS__INA226__1__RAIL",
    ],
)
def test_a_variable_for_a_key_that_is_not_there_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=f"environment: {name}: there is no such key"):
        configfile.read(None, {name: "x"}, KINDS)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("EMBERD_MQQT__HOST", "mqtt"),
        ("EMBERD_MQTT__HOTS", "host"),
        ("EMBERD_WORKLOAD__0__MODLE", "model"),
        ("EMBERD_SENSORS__THERMEL__PERIOD", "thermal"),
    ],
)
def test_a_variable_for_an_unknown_key_is_answered_with_the_nearest_known_one(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f'did you mean "[A-Za-z_0-9.]*{nearest}"') as caught:
        configfile.read(None, {name: "x"}, KINDS)
    assert name in str(caught.value)


def test_a_workload_is_not_counted_from_the_end() -> None:
    with pytest.raises(ConfigError, match="there is no such key"):
        configfile.read(None, {"EMBERD_WORKLOAD__-1__MODEL": "x"}, KINDS)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("EMBERD_MQTT__PORT", "many", "mqtt.port: Expected `int`"),
        ("EMBERD_MQTT", "broker", "mqtt: Expected `object`"),
        ("EMBERD_WORKLOAD__0__PACE", "30 Hx", 'did you mean "30 Hz"?'),
        ("EMBERD_SENSORS__THERMAL", "on", "sensors.thermal: must be a table"),
        ("EMBERD_SENSORS__THERMAL__ENABLED", "on", "sensors.thermal.enabled: 'on' is not"),
        ("EMBERD_WINDOW__LENGTH", "", "window.length: '' is not a duration"),
        ("EMBERD_WINDOW__LENGTH", "1 ms", "window.length 1 ms is not between"),
    ],
)
def test_a_variables_wrong_value_is_an_error_with_the_variables_name(read: Read, name: str, text: str, said: str) -> None:
    message = refusal(read, "", {name: text})
    assert f"environment ({name}): " in message
    assert said in message


def test_brackets_without_end_in_a_variable_are_an_error_in_words() -> None:
    with pytest.raises(ConfigError, match="EMBERD_WORKLOAD"):
        configfile.read(None, {"EMBERD_WORKLOAD": "[" * 50_000}, KINDS)


def test_a_mistake_in_the_file_is_not_blamed_on_the_environment(read: Read) -> None:
    message = refusal(read, "[window]\nlength = '1 ms'", {"EMBERD_MQTT__HOST": "x"})
    assert "emberd.toml: " in message
    assert "environment" not in message


def test_other_programs_variables_are_let_be(read: Read) -> None:
    assert read(
        "", {"PATH": "/bin", "emberd_mqtt__host": "x", "EMBERD": "x", "EMBERD_CONFIG": "/x", "XEMBERD_MQTT__HOST": "x"}
    ) == read("")


# Whatever is thrown at it.

_TABLES = (
    Config,
    *(type(table) for table in msgspec.structs.astuple(Config()) if isinstance(table, msgspec.Struct)),
    WorkloadConfig,
)
_WORDS = st.sampled_from(sorted({"thermal", "enabled", "period"}.union(*(table.__struct_fields__ for table in _TABLES))))
_KEYS = st.one_of(_WORDS, st.text(max_size=3))
_SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.dates(),
    st.datetimes(),
    st.sampled_from(["auto", "30 Hz", "10 s", "1 MB", "none", "batch"]),
)
_DOCUMENTS = st.dictionaries(
    _KEYS,
    st.recursive(
        _SCALARS,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=4)),
        max_leaves=8,
    ),
    max_size=4,
)


@given(document=_DOCUMENTS)
def test_any_document_is_a_configuration_or_one_line(document: dict[str, Any]) -> None:
    try:
        parsed = configfile.parse(document, KINDS)
    except ConfigError:
        return
    assert isinstance(parsed, Config)


@given(
    environment=st.dictionaries(
        st.lists(st.one_of(_WORDS, st.sampled_from(["0", "1", "-1", ""])), min_size=1, max_size=4).map(
            lambda steps: "EMBERD_" + "__".join(steps).upper()
        ),
        st.one_of(st.text(max_size=8), st.sampled_from(["[]", "{}", "[{}]", "1", "true", '"x"', "nan", "1979-05-27"])),
        max_size=3,
    )
)
def test_any_environment_is_a_configuration_or_an_error_in_words(environment: dict[str, str]) -> None:
    try:
        parsed = configfile.read(None, environment, KINDS)
    except ConfigError:
        return
    assert isinstance(parsed, Config)
