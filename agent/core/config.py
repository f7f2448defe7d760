"""Every configuration key with its type, default and meaning. `config.toml` and the manual are generated from here."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from agent.core.choice import Deadline, Pace, Threads
from agent.core.sensor import SensorConfig
from agent.core.units import Bytes, Seconds

# Python lets `$` match before a line break at the end; what follows forbids that.
END: Final = r"$(?!\n)"
WORD: Final = rf"^[A-Za-z0-9_][A-Za-z0-9_.-]{{0,47}}{END}"


def _said(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class DeviceConfig(_Table, frozen=True, kw_only=True):
    """Who this device is in the fleet."""

    site: Annotated[
        str, msgspec.Meta(pattern=WORD, description="Where it stands; part of every topic. Letters, digits, `.`, `_`, `-`.")
    ] = "default"
    id: Annotated[
        str,
        msgspec.Meta(
            pattern=rf"^([a-z0-9-]{{3,48}}){END}",
            description='Unique in the fleet, [a-z0-9-]{3,48}. "auto": a keyed hash of the board\'s serial number, else of a '
            "permanent MAC address, else of the machine id.",
        ),
    ] = "auto"


class WindowConfig(_Table, frozen=True, kw_only=True):
    """How long one window is, and how far the rolling percentiles reach."""

    length: Annotated[Seconds, _said("One window, one message.")] = Seconds(60)
    rolling: Annotated[Seconds, _said("Reach of the rolling percentiles, at most the last 1,000,000 inferences.")] = Seconds(300)

    def __post_init__(self) -> None:
        """Refuse windows that cannot be kept."""
        if not 0.5 <= self.length <= 3600:  # noqa: PLR2004
            raise ValueError(f"window.length {self.length} is not between 500 ms and 1 h")
        if not 0 < self.rolling <= 86400:  # noqa: PLR2004
            raise ValueError(f"window.rolling {self.rolling} is not between 0 and 24 h")


class WorkloadConfig(_Table, frozen=True, kw_only=True):
    """One model that runs. Several tables run side by side; `workload = []` runs none and only watches the board."""

    name: Annotated[str, msgspec.Meta(pattern=WORD, description="How it is called in windows and logs.")] = "default"
    model: Annotated[str, _said("A shipped model's name, or a path to a .tflite.")] = "mobilenet_v2_int8"
    runtime: Annotated[str, _said('"auto", "litert" or "tflite". auto takes LiteRT where it is installed.')] = "auto"
    delegates: Annotated[tuple[str, ...], _said("Paths of external delegates (shared libraries).")] = ()
    threads: Annotated[
        Threads, _said('"auto": the allowed cores less one for the monitor, shared among the workloads; or a number.')
    ] = Threads()
    pace: Annotated[Pace, _said('"sustained": back to back; or a rate such as "30 Hz".')] = Pace()
    deadline: Annotated[Deadline, _said('"none" or e.g. "33 ms": judges the response when paced, the latency otherwise.')] = (
        Deadline()
    )
    inputs: Annotated[str, _said('"random" (seeded), or a folder of .npy, or an .npz.')] = "random"
    warmup: Annotated[int, msgspec.Meta(ge=1, le=100_000, description="Inferences before the first that counts.")] = 50


class SensorsConfig(_Table, frozen=True, kw_only=True):
    """Where the board is looked up. Each sensor's own table is described in its file.

    `tables` is filled from the sensors' files: what stands in each sensor's table, or in its tables where there may be several
    (their names are in `several`).
    """

    root: Annotated[str, _said("Where sys/, dev/ and the board's part of proc/ are looked up.")] = "/"
    tables: dict[str, tuple[SensorConfig, ...]] = {}
    several: tuple[str, ...] = ()


class EnergyConfig(_Table, frozen=True, kw_only=True):
    """How joules are counted."""

    rail: Annotated[str, _said('The one rail that feeds the whole board, or "auto".')] = "auto"
    idle_baseline: Annotated[str, _said('"stored": kept between starts, measured when there is none; "none": no net energy.')] = (
        "stored"
    )
    battery: Annotated[str, _said('"none" or e.g. "3.7 V 1000 mAh".')] = "none"


class MqttConfig(_Table, frozen=True, kw_only=True):
    """The broker."""

    host: Annotated[str, _said("Empty: nothing is published and the spool keeps the last 24 h.")] = ""
    port: Annotated[int, msgspec.Meta(ge=1, le=65535, description="1883, or 8883 with TLS.")] = 1883
    ack: Annotated[str, msgspec.Meta(pattern=rf"^(auto|collector|broker){END}", description='"auto", "collector" or "broker".')] = (
        "auto"
    )
    profile: Annotated[str, msgspec.Meta(pattern=rf"^(window|batch){END}", description='"window" or "batch".')] = "window"
    ca: Annotated[str, _said("Certificate authority to trust; any of ca, cert, key turns TLS on.")] = ""
    cert: Annotated[str, _said("This device's certificate.")] = ""
    key: Annotated[str, _said("Its key.")] = ""
    username: Annotated[str, _said("User name, where the broker wants one.")] = ""
    password_file: Annotated[str, _said("A file that holds the password.")] = ""
    homeassistant: Annotated[bool, _said("Announce this device to Home Assistant.")] = False


class SpoolConfig(_Table, frozen=True, kw_only=True):
    """Where windows wait for the broker."""

    path: Annotated[str, _said('A folder. "auto": the service\'s state directory.')] = "auto"
    max_size: Annotated[Bytes, _said("Above it the oldest windows go, and the loss is counted.")] = Bytes(100e6)


class LiveConfig(_Table, frozen=True, kw_only=True):
    """The socket of the live view."""

    socket: Annotated[str, _said('"auto" or a path; readable by its group.')] = "auto"


class MetricsConfig(_Table, frozen=True, kw_only=True):
    """This device's own OpenMetrics page."""

    listen: Annotated[str, _said('Empty: none; or e.g. "127.0.0.1:9816".')] = ""


class Config(_Table, frozen=True, kw_only=True):
    """The whole configuration."""

    device: DeviceConfig = DeviceConfig()
    window: WindowConfig = WindowConfig()
    workload: tuple[WorkloadConfig, ...] = (WorkloadConfig(),)
    sensors: SensorsConfig = SensorsConfig()
    energy: EnergyConfig = EnergyConfig()
    mqtt: MqttConfig = MqttConfig()
    spool: SpoolConfig = SpoolConfig()
    live: LiveConfig = LiveConfig()
    metrics: MetricsConfig = MetricsConfig()

    def __post_init__(self) -> None:
        """Refuse what only shows when the tables are seen together."""
        names = [workload.name for workload in self.workload]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two workloads are named {name!r}")
            if name == "agent":
                raise ValueError("a workload cannot be named 'agent': that is the monitor's own name")
