from __future__ import annotations

import itertools
import json
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import message
from agent.core.histogram import Histogram
from agent.core.message import EVENT_KINDS, Event, Gauge, Meta, Status, Window, WorkloadWindow
from agent.engine import catalogue

STRUCTS = tuple(
    kind
    for kind in {**vars(message), "Histogram": Histogram}.values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__struct_fields__
)
MESSAGES = (Window, Event, Status, Meta)

# Units.

UNITS = frozenset({"celsius", "hertz", "watts", "joules", "volts", "amperes", "ohms", "seconds", "bytes", "ratio"})
# Fields that say their unit otherwise, and why.
WITHOUT_UNIT = {
    ("Window", "start"): "unix time, as everybody writes it",
    ("Window", "end"): "unix time, as everybody writes it",
    ("Event", "ts"): "unix time, as everybody writes it",
    ("Status", "ts"): "unix time, as everybody writes it",
    ("Window", "fan_rpm"): "fans are sold and read in revolutions per minute; hertz would only be divided back",
    ("Window", "cooling_level"): "a step of the kernel's own, without a unit",
    ("Energy", "battery_hours"): "an outlook for people, not a measurement",
    ("Cause", "share"): "a part of a whole, 1 for all of it",
}


def parts(hint: Any) -> set[Any]:
    """Return every plain type that a type expression mentions."""
    arguments = get_args(hint)
    return set().union(*map(parts, arguments)) if arguments else {hint}


def names_a_unit(field: str) -> bool:
    """Return whether a name says what is counted in: a unit, or nothing but events, as in `over_current_total`."""
    return not UNITS.isdisjoint(field.split("_")) or field.endswith("_total")


def holders(struct: type) -> list[tuple[str, str]]:
    """Return every field of a message that holds a struct."""
    return [(kind.__name__, field) for kind in STRUCTS for field, hint in get_type_hints(kind).items() if struct in parts(hint)]


def takes_its_unit_from_outside(struct: type) -> bool:
    """Return whether every field that holds the struct names the unit of all that is in it, as `latency_seconds` does."""
    held = holders(struct)
    return bool(held) and all(names_a_unit(field) or (kind, field) in WITHOUT_UNIT for kind, field in held)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_physical_quantity_names_its_unit(struct: type[msgspec.Struct]) -> None:
    if takes_its_unit_from_outside(struct):
        return
    nameless = [
        field
        for field, hint in get_type_hints(struct).items()
        if float in parts(hint) and not names_a_unit(field) and (struct.__name__, field) not in WITHOUT_UNIT
    ]
    assert nameless == []


def test_no_exception_from_the_rule_of_units_outlives_its_field() -> None:
    assert set(WITHOUT_UNIT) <= {(kind.__name__, field) for kind in STRUCTS for field in kind.__struct_fields__}


def test_gauges_are_read_by_the_name_of_the_field_that_holds_them() -> None:
    assert ("Window", "temperature_celsius") in holders(Gauge)
    assert takes_its_unit_from_outside(Gauge)


def test_every_metric_of_every_sensor_names_its_unit_or_is_a_count() -> None:
    for sensor, kind in catalogue.kinds().items():
        for metric in kind.METRICS:
            assert names_a_unit(metric.name) or ("Window", metric.name) in WITHOUT_UNIT, f"{sensor}: {metric.name}"
            assert metric.describes.endswith(".")


# Names that are promised.


def test_no_promised_field_of_a_window_is_missing() -> None:
    promised = (
        "v site device boot_id stream seq meta_id start end monotonic_end_seconds clock_synced partial historical board simulated "
        "source_root workloads temperature_celsius frequency_hertz requested_frequency_hertz power_watts voltage_volts load_ratio "
        "fan_rpm energy firmware throttle trip_celsius cooling_level over_current_total power_mode governor memory_bytes "
        "pressure_ratio sensors agent"
    )
    assert set(promised.split()) <= set(Window.__struct_fields__)


def test_no_promised_field_of_a_workload_is_missing() -> None:
    promised = (
        "kind model model_sha256 runtime threads pid restarts inferences errors lost_records wrong_outputs deadline_misses "
        "throughput_hertz latency_seconds rolling_seconds histogram response_seconds response_histogram start_late_seconds "
        "input_seconds output_seconds rss_bytes rss_peak_bytes pss_bytes major_faults cpu_ratio runqueue_wait_ratio "
        "energy_per_inference_joules"
    )
    assert set(promised.split()) <= set(WorkloadWindow.__struct_fields__)


def test_no_promised_field_of_the_parts_is_missing() -> None:
    promised = {
        "Gauge": "last min mean max",
        "Latency": "min mean std p50 p90 p95 p99 p999 max",
        "Rolling": "span_seconds count p50 p90 p95 p99 p999 max",
        "Histogram": "scale zero offset counts sum_seconds",
        "InferenceEnergy": "gross gross_interval_95 net net_interval_95 method shared_by",
        "Energy": "rail joules joules_total coverage_ratio idle_watts idle_age_seconds estimate battery_hours",
        "Firmware": "now since_boot edges raw",
        "Throttle": "state causes episode slowdown_ratio reference headroom_celsius seconds_to_throttle sustainable_hertz steady",
        "Cause": "cause share evidence",
        "Memory": "total available swap_used",
        "Pressure": "cpu memory io",
        "SensorHealth": "reads faults late seconds_per_read cpu_seconds",
        "AgentWindow": "cpu_ratio rss_bytes spool_rows dropped bytes_written stolen_ratio",
        "Status": "v state reasons streams ts",
        "Event": "v site device boot_id stream seq meta_id kind ts monotonic_seconds clock_synced workload episode",
    }
    defined = {struct.__name__: set(struct.__struct_fields__) for struct in STRUCTS}
    for name, fields in promised.items():
        assert set(fields.split()) <= defined[name], name


def test_every_kind_of_event_is_described_with_fields_that_there_are() -> None:
    for kind, said in EVENT_KINDS.items():
        assert kind.replace("_", "").isalpha()
        quoted = said.split("`")[1::2]
        assert set(quoted) <= set(Event.__struct_fields__), kind


# The wire.


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for any type that a message uses."""
    origin, arguments = get_origin(hint), get_args(hint)
    plain = {
        float: st.floats(allow_nan=False, allow_infinity=False),
        int: st.integers(0, 2**53),
        str: st.text(max_size=5),
        bool: st.booleans(),
        NoneType: st.none(),
    }
    if hint in plain:
        return plain[hint]
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=2)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values, arguments))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.builds(hint, **{field: values(of) for field, of in get_type_hints(hint).items()})
    assert origin in {Union, UnionType}
    return st.one_of(*map(values, arguments))


def everything_in(decoded: Any) -> list[Any]:
    if isinstance(decoded, dict):
        return [decoded, *itertools.chain.from_iterable(everything_in(value) for value in decoded.values())]
    if isinstance(decoded, list):
        return [decoded, *itertools.chain.from_iterable(everything_in(value) for value in decoded)]
    return [decoded]


@pytest.mark.parametrize("struct", MESSAGES, ids=lambda struct: struct.__name__)
def test_a_message_comes_back_as_it_was_with_its_version_first_and_without_null(struct: type[msgspec.Struct]) -> None:
    @settings(max_examples=30, deadline=None)
    @given(said=values(struct))
    def holds(said: msgspec.Struct) -> None:
        wire = msgspec.json.encode(said)
        assert msgspec.json.decode(wire, type=struct) == said
        decoded = json.loads(wire)
        assert next(iter(decoded)) == "v"
        assert None not in everything_in(decoded)

    holds()


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_what_may_be_absent_is_absent_unless_it_is_set(struct: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(struct):
        if NoneType in get_args(get_type_hints(struct)[field.name]):
            assert field.default is None, field.name


def smallest(hint: Any) -> Any:
    """Return the least that a type takes: nothing where that is allowed."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        hints = get_type_hints(hint)
        return hint(**{field.name: smallest(hints[field.name]) for field in msgspec.structs.fields(hint) if field.required})
    return {dict: {}, tuple: ()}.get(get_origin(hint), hint() if hint in (int, float, str, bool) else None)


def test_a_measured_zero_is_sent_and_what_was_not_measured_is_not() -> None:
    window: Window = smallest(Window)
    work: WorkloadWindow = smallest(WorkloadWindow)
    wire = json.loads(
        msgspec.json.encode(
            msgspec.structs.replace(
                window,
                load_ratio={"cpu.core0": Gauge(last=0.0, min=0.0, mean=0.0, max=0.0)},
                workloads={"default": msgspec.structs.replace(work, major_faults=0, cpu_ratio=0.0, deadline_misses=0)},
            )
        )
    )
    assert wire["load_ratio"]["cpu.core0"] == {"last": 0.0, "min": 0.0, "mean": 0.0, "max": 0.0}
    sent = wire["workloads"]["default"]
    assert (sent["major_faults"], sent["cpu_ratio"], sent["deadline_misses"], sent["inferences"]) == (0, 0.0, 0, 0)
    for absent in (
        "latency_seconds",
        "rolling_seconds",
        "histogram",
        "response_seconds",
        "rss_bytes",
        "energy_per_inference_joules",
    ):
        assert absent not in sent
    assert "temperature_celsius" not in wire
    assert wire["clock_synced"] is False


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_a_reader_passes_over_what_it_does_not_know(struct: type[msgspec.Struct]) -> None:
    said = smallest(struct)
    wire = json.loads(msgspec.json.encode(said))
    wire |= {"a_later_field": {"anything": [1, None]}, "null_for_once": None}
    assert msgspec.json.decode(json.dumps(wire), type=struct) == said


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_a_message_cannot_be_changed_once_it_is_made(struct: type[msgspec.Struct]) -> None:
    with pytest.raises(AttributeError):
        setattr(smallest(struct), struct.__struct_fields__[0], 1)
