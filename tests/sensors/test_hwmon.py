from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planting import planted, record, refusing

from agent.core.errors import Absent
from agent.core.record import Flags, Label
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.sensors import hwmon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]


def monitor(number: int, name: str, **files: str | bytes) -> dict[str, str | bytes]:
    folder = f"sys/class/hwmon/hwmon{number}"
    return {f"{folder}/name": f"{name}\n", **{f"{folder}/{file}": content for file, content in files.items()}}


def linked(tree: Tree, number: int, device: str) -> None:
    """Give a planted monitor a device behind it."""
    tree.path(f"sys/devices/{device}").mkdir(parents=True, exist_ok=True)
    tree.path(f"sys/class/hwmon/hwmon{number}/device").symlink_to(tree.path(f"sys/devices/{device}"))


def find(tree: Tree, period: float = 1.0) -> hwmon.Monitors:
    return hwmon.find(hwmon.Config(period=Seconds(period)), Surroundings(board=tree, machine=tree))


def values(reads: Reads, metric: str) -> dict[str, float]:
    return {reading.name: reading.value for reading in reads.readings if reading.metric == metric}


def everything(reads: Reads) -> dict[tuple[str, str], float]:
    return {(reading.metric, reading.name): reading.value for reading in reads.readings}


def faults(reads: Reads) -> dict[str, str]:
    return {fault.name: fault.reason for fault in reads.faults}


# Boards.


def test_a_raspberry_pi_5_has_a_chip_a_fan_and_an_alarm_and_no_second_soc_temperature(tmp_path: Path) -> None:
    """rp1_adc is the chip beside the SoC: systeminformation#1036 took it for the SoC. hwmon0 mirrors the thermal zone."""
    with planted("rpi5", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert everything(reads) == {
        ("temperature_celsius", "rp1_adc.temp1"): 55.472,
        ("fan_rpm", "pwmfan.fan1"): 1468.0,
        ("voltage_volts", "rp1_adc.in1"): 1.468,
        ("voltage_volts", "rp1_adc.in2"): 2.53,
        ("voltage_volts", "rp1_adc.in3"): 1.395,
        ("voltage_volts", "rp1_adc.in4"): 1.393,
    }
    assert reads.flags == (Flags(metric="hwmon_alarm", bits=0),)
    assert (reads.labels, reads.faults) == ((), ())


def test_a_raspberry_pi_4_has_a_fan_and_an_alarm(tmp_path: Path) -> None:
    with planted("rpi4", tmp_path / "root") as tree:
        source = find(tree)
        assert everything(source.read()) == {("fan_rpm", "gpio_fan.fan1"): 5000.0}
        tree.path("sys/class/hwmon/hwmon1/in0_lcrit_alarm").write_text("1\n")
        assert source.read().flags == (Flags(metric="hwmon_alarm", bits=1),)


@pytest.mark.parametrize(
    ("board", "watts"),
    [
        ("orin_nano_jp5", {"VDD_IN": 5.307072, "VDD_CPU_GPU_CV": 0.769728, "VDD_SOC": 1.41792}),
        ("orin_nano_jp6", {"VDD_IN": 4.79808, "VDD_CPU_GPU_CV": 1.24992, "VDD_SOC": 1.45152}),
        ("orin_nano_jp7", {"VDD_IN": 4.83072, "VDD_CPU_GPU_CV": 1.247936, "VDD_SOC": 1.449216}),
    ],
)
def test_an_orin_nanos_rails_are_voltage_times_current(board: str, watts: dict[str, float], tmp_path: Path) -> None:
    with planted(board, tmp_path / "root") as tree:
        reads = find(tree).read()
    assert values(reads, "power_watts") == {f"ina3221.{rail}": value for rail, value in watts.items()}
    assert set(values(reads, "voltage_volts")) == set(values(reads, "current_amperes")) == set(values(reads, "power_watts"))
    assert values(reads, "fan_rpm") == {"pwm_tach.rpm": 1420.0}
    assert values(reads, "temperature_celsius") == {}
    # 3 channels x 512 samples x 2.2 ms: a spike of a second is not to be seen in it.
    assert {reading.covers_seconds for reading in reads.readings if reading.metric == "power_watts"} == {3.379}
    assert reads.faults == ()


def test_an_agx_orin_has_two_chips_and_what_is_not_connected_is_absent(tmp_path: Path) -> None:
    with planted("agx_orin_jp6", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert values(reads, "power_watts") == {
        "ina3221.1-0040.VDD_GPU_SOC": 2.41248,
        "ina3221.1-0040.VDD_CPU_CV": 1.60832,
        "ina3221.1-0040.VIN_SYS_5V0": 4.71504,
        "ina3221.1-0041.VDDQ_VDD2_1V8AO": 0.30096,
    }
    assert reads.faults == ()


def test_an_agx_thor_has_its_input_and_no_port_of_ucsi(tmp_path: Path) -> None:
    with planted("agx_thor_jp7", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert values(reads, "power_watts") == {
        "ina3221.VDD_GPU": 7.7056,
        "ina3221.VDD_CPU_SOC_MSS": 11.5584,
        "ina3221.VIN_SYS_5V0": 8.85312,
        "ina238.power1": 27.404,
    }
    assert values(reads, "voltage_volts")["ina238.in1"] == 20.15
    assert values(reads, "temperature_celsius") == {
        "nvme.Composite": 43.85,
        "tmp451.temp1": 54.25,
        "tmp451.temp2": 55.062,
        "ina238.temp1": 41.25,
    }
    assert values(reads, "fan_rpm") == {"pwm_tach.rpm": 1773.0}
    assert reads.faults == ()


def test_a_laptop_has_its_cores_and_disk_and_nothing_that_zones_and_battery_show(tmp_path: Path) -> None:
    with planted("laptop_x86", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert everything(reads) == {
        ("temperature_celsius", "coretemp.Package id 0"): 55.0,
        ("temperature_celsius", "coretemp.Core 0"): 54.0,
        ("temperature_celsius", "coretemp.Core 1"): 52.0,
        ("temperature_celsius", "coretemp.Core 2"): 53.0,
        ("temperature_celsius", "coretemp.Core 3"): 50.0,
        ("temperature_celsius", "nvme.Composite"): 43.85,
        ("temperature_celsius", "nvme.Sensor 1"): 43.85,
        ("fan_rpm", "asus.cpu_fan"): 0.0,
    }
    assert (reads.flags, reads.faults) == ((), ())


def test_a_jetson_nano_with_jetpack_4_has_no_monitor(tmp_path: Path) -> None:
    with planted("jetson_nano_jp4", tmp_path / "root") as tree, pytest.raises(Absent, match="no hardware monitor"):
        find(tree)


def test_node_exporters_recording_is_read(shared: Path, tmp_path: Path) -> None:
    text = (shared / "fixtures/sysfs/node_exporter_sysfs_thermal_hwmon_rapl_cpufreq.txt").read_text(encoding="utf-8")
    reads = find(record(text, tmp_path / "root")).read()
    heat = values(reads, "temperature_celsius")
    assert {name: value for name, value in heat.items() if name.startswith("coretemp")} == {
        f"coretemp.{package}.{label}": value
        for package in (0, 1)
        for label, value in {"Physical id 0": 55.0, "Core 0": 54.0, "Core 1": 52.0, "Core 2": 53.0, "Core 3": 50.0}.items()
    }
    assert {name: value for name, value in heat.items() if name.startswith("mt7996")} == {
        "mt7996_phy0_0.temp1": 55.0,
        "mt7996_phy0_1.temp1": 56.0,
        "mt7996_phy0_2.temp1": 57.0,
    }
    # A device without a name of its own, with two sensors of one label.
    assert {name: value for name, value in heat.items() if "foosensor" in name} == {
        "hwmon4.foosensor.temp1": 55.0,
        "hwmon4.foosensor.temp2": 54.0,
    }
    assert values(reads, "fan_rpm") == {"nct6779.fan2": 1098.0}
    assert values(reads, "voltage_volts") == {"nct6779.in0": 0.792, "nct6779.in1": 1.024}
    assert len(reads.readings) == 18
    assert reads.faults == ()


# Units and names.


def test_each_unit_is_changed_once(plant: Plant) -> None:
    tree = plant(
        monitor(
            0,
            "chip",
            temp1_input="-5500",
            fan1_input="0",
            in0_input="-12000",
            curr1_input="-250",
            power1_input="27404000",
            energy1_input="1500000",
        )
    )
    assert everything(find(tree).read()) == {
        ("temperature_celsius", "chip.temp1"): -5.5,
        ("fan_rpm", "chip.fan1"): 0.0,
        ("voltage_volts", "chip.in0"): -12.0,
        ("current_amperes", "chip.curr1"): -0.25,
        ("power_watts", "chip.power1"): 27.404,
        ("energy_joules_total", "chip.energy1"): 1.5,
    }


def test_a_mean_power_stands_in_where_there_is_no_other(plant: Plant) -> None:
    tree = plant(monitor(0, "amdgpu", power1_average="31000000", power2_average="1000000", power2_input="2000000"))
    assert values(find(tree).read(), "power_watts") == {"amdgpu.power1": 31.0, "amdgpu.power2": 2.0}


def test_energy_never_goes_back(plant: Plant) -> None:
    tree = plant(monitor(0, "ina228", energy1_input="5000000"))
    source = find(tree)
    assert values(source.read(), "energy_joules_total") == {"ina228.energy1": 5.0}
    for count, joules in (("7000000", 7.0), ("1000000", 7.0), ("1500000", 7.5)):
        plant(monitor(0, "ina228", energy1_input=count))
        assert values(source.read(), "energy_joules_total") == {"ina228.energy1": joules}


@pytest.mark.parametrize("kind", ["ina219", "ina226", "ina260", "ina238", "ina228"])
def test_a_monitor_of_one_rail_has_a_bus_voltage_and_no_shunt_voltage(plant: Plant, kind: str) -> None:
    tree = plant(monitor(0, kind, in0_input="3", in1_input="12000", curr1_input="1000", power1_input="12000000"))
    assert everything(find(tree).read()) == {
        ("power_watts", f"{kind}.power1"): 12.0,
        ("voltage_volts", f"{kind}.in1"): 12.0,
        ("current_amperes", f"{kind}.curr1"): 1.0,
    }


def test_a_rails_label_names_its_voltage_current_and_power_and_not_the_chips_temperature(plant: Plant) -> None:
    files = {"in1_input": "20000", "curr1_input": "1000", "power1_input": "20000000", "temp1_input": "40000", "label": "VIN\n"}
    reads = find(plant(monitor(0, "ina238", **files))).read()
    assert everything(reads) == {
        ("power_watts", "ina238.VIN"): 20.0,
        ("voltage_volts", "ina238.VIN"): 20.0,
        ("current_amperes", "ina238.VIN"): 1.0,
        ("temperature_celsius", "ina238.temp1"): 40.0,
    }


def test_an_ina3221_without_labels_still_has_rails(plant: Plant) -> None:
    reads = find(plant(monitor(0, "ina3221", in2_input="5000", curr2_input="100", in5_input="500", curr4_input="100"))).read()
    assert everything(reads) == {
        ("power_watts", "ina3221.power2"): 0.5,
        ("voltage_volts", "ina3221.in2"): 5.0,
        ("current_amperes", "ina3221.curr2"): 0.1,
    }


def test_a_channel_that_is_switched_off_is_absent_and_no_fault(plant: Plant) -> None:
    tree = plant(
        monitor(0, "ina3221", in1_label="A", in1_input="5000", curr1_input="1", in2_label="B", in2_input="5000", curr2_input="1")
    )
    folder = tree.path("sys/class/hwmon/hwmon0")
    with refusing({folder / "in2_input": errno.ENODATA, folder / "curr2_input": errno.ENODATA}):
        reads = find(tree).read()
    assert values(reads, "power_watts") == {"ina3221.A": 0.005}
    assert {reading.name for reading in reads.readings} == {"ina3221.A"}
    assert reads.faults == ()


def test_two_devices_of_one_name_are_told_apart_by_what_they_are_on(plant: Plant) -> None:
    tree = plant({**monitor(0, "nvme", temp1_input="40000"), **monitor(1, "nvme", temp1_input="50000")})
    tree = plant({**monitor(2, "tmp451", temp1_input="30000"), **monitor(5, "tmp451", temp1_input="31000")})
    linked(tree, 0, "nvme0")
    linked(tree, 1, "nvme1")
    linked(tree, 2, "2-004c")
    assert values(find(tree).read(), "temperature_celsius") == {
        "nvme0.temp1": 40.0,
        "nvme1.temp1": 50.0,
        "tmp451.2-004c.temp1": 30.0,
        "tmp451.hwmon5.temp1": 31.0,
    }


def test_two_devices_of_one_name_on_one_device_are_both_read(plant: Plant) -> None:
    tree = plant({**monitor(0, "x", temp1_input="40000"), **monitor(1, "x", temp1_input="50000")})
    linked(tree, 0, "board")
    linked(tree, 1, "board")
    assert sorted(values(find(tree).read(), "temperature_celsius").values()) == [40.0, 50.0]


def test_old_drivers_files_stand_in_the_device_behind(plant: Plant) -> None:
    tree = plant({"sys/class/hwmon/hwmon2/uevent": "", "sys/devices/smc/name": "applesmc", "sys/devices/smc/fan1_input": "1998"})
    tree.path("sys/class/hwmon/hwmon2/device").symlink_to("../../../devices/smc")
    assert values(find(tree).read(), "fan_rpm") == {"applesmc.fan1": 1998.0}


@pytest.mark.parametrize("name", [b"", b"\xff", b"x" * 100_000], ids=["empty", "binary", "long"])
def test_a_device_without_a_readable_name_is_called_by_what_it_is_on(plant: Plant, name: bytes) -> None:
    tree = plant({"sys/class/hwmon/hwmon3/name": name, "sys/class/hwmon/hwmon3/temp1_input": "40000"})
    linked(tree, 3, "1-0048")
    assert values(find(tree).read(), "temperature_celsius") == {"1-0048.temp1": 40.0}


@pytest.mark.parametrize("label", [b"", b"\xff", b"x" * 1_000_000], ids=["empty", "binary", "a megabyte"])
def test_a_label_that_cannot_be_read_costs_nothing(plant: Plant, label: bytes) -> None:
    reads = find(plant(monitor(0, "chip", temp1_input="40000", temp1_label=label))).read()
    assert everything(reads) == {("temperature_celsius", "chip.temp1"): 40.0}


# What others show.


@pytest.mark.parametrize("place", ["virtual/thermal/thermal_zone0", "LNXSYSTM:00/PNP0C0A:00/power_supply/BAT0"])
def test_a_mirror_is_left_out(plant: Plant, place: str) -> None:
    tree = plant({f"sys/devices/{place}/hwmon4/name": "any", f"sys/devices/{place}/hwmon4/temp1_input": "40000"})
    tree.path("sys/class/hwmon").mkdir(parents=True)
    tree.path("sys/class/hwmon/hwmon4").symlink_to(f"../../devices/{place}/hwmon4")
    with pytest.raises(Absent):
        find(tree)


def test_a_mirror_without_a_device_is_known_by_its_zones_type(plant: Plant) -> None:
    zone: dict[str, str | bytes] = {
        "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
        "sys/class/thermal/thermal_zone0/temp": "1",
    }
    chip = monitor(1, "rp1_adc", temp1_input="50000")
    with_zone = find(plant({**zone, **monitor(0, "cpu_thermal", temp1_input="40000"), **chip})).read()
    assert everything(with_zone) == {("temperature_celsius", "rp1_adc.temp1"): 50.0}


def test_a_chip_that_is_called_like_a_zone_and_has_a_device_is_no_mirror(plant: Plant) -> None:
    tree = plant({"sys/class/thermal/thermal_zone0/type": "nvme", **monitor(0, "nvme", temp1_input="40000")})
    linked(tree, 0, "nvme0")
    assert values(find(tree).read(), "temperature_celsius") == {"nvme.temp1": 40.0}


def test_a_monitor_without_a_zone_that_shows_the_same_is_read(plant: Plant) -> None:
    reads = find(plant(monitor(0, "cpu_thermal", temp1_input="40000"))).read()
    assert everything(reads) == {("temperature_celsius", "cpu_thermal.temp1"): 40.0}


# Alarms.


def test_one_alarm_of_a_chip_is_read_each_time_in_turn(plant: Plant) -> None:
    """An INA3221 forgets all of its flags when one of them is read."""
    files = {"in1_label": "VDD_IN", "in1_input": "5000", "curr1_input": "1", "curr4_crit_alarm": "1"}
    files |= {f"curr{rail}_{limit}_alarm": "0" for rail in (1, 2, 3) for limit in ("max", "crit")}
    files |= {"curr2_max_alarm": "1", "curr3_crit_alarm": "1"}
    source = find(plant(monitor(0, "ina3221", **files)))
    seen = [flags.bits for _ in range(12) for flags in source.read().flags]
    assert sorted(seen) == [0] * 8 + [2, 2, 4, 4]
    assert sorted(seen[:6]) == [0, 0, 0, 0, 2, 4]


def test_alarms_of_several_devices_come_together(plant: Plant) -> None:
    tree = plant({**monitor(0, "rpi_volt", in0_lcrit_alarm="1"), **monitor(1, "ina3221", curr1_crit_alarm="1")})
    assert find(tree).read().flags == (Flags(metric="hwmon_alarm", bits=1 | 4),)


@pytest.mark.parametrize("content", [b"", b"2", b"-1", b"\xff", b"1" * 100_000], ids=lambda content: repr(content[:8]))
def test_an_alarm_that_is_none_is_a_fault_and_no_flag(plant: Plant, content: bytes) -> None:
    reads = find(plant(monitor(0, "rpi_volt", in0_lcrit_alarm=content))).read()
    assert reads.flags == ()
    assert list(faults(reads)) == ["rpi_volt.in0_lcrit_alarm"]


# Failures.


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\x00", b"1" * 1_000_000, b"55.1", b"999999999", b"-650788984", b"0"],
    ids=lambda content: repr(content[:8]),
)
def test_a_bad_file_touches_its_own_input_alone(plant: Plant, content: bytes) -> None:
    reads = find(plant(monitor(0, "chip", temp1_input=content, temp2_input="41000", fan1_input="900"))).read()
    assert everything(reads) == {("temperature_celsius", "chip.temp2"): 41.0, ("fan_rpm", "chip.fan1"): 900.0}
    assert list(faults(reads)) == ["chip.temp1"]


def test_absurd_rails_are_faults_and_not_values(plant: Plant) -> None:
    files = {"in1_input": "9999999", "curr1_input": "-9999999", "power1_input": "999999999999999", "fan1_input": "-1"}
    reads = find(plant(monitor(0, "ina226", **files, temp1_input="40000"))).read()
    assert everything(reads) == {("temperature_celsius", "ina226.temp1"): 40.0}
    assert set(faults(reads)) == {"ina226.in1", "ina226.curr1", "ina226.power1", "ina226.fan1"}


def test_a_channel_without_power_is_absent(plant: Plant, gate: Gate) -> None:
    tree = plant(monitor(0, "chip", temp1_input="40000", temp2_input="41000"))
    gate(tree.path("sys/class/hwmon/hwmon0/temp1_input"))
    reads = find(tree).read()
    assert (everything(reads), reads.faults) == ({("temperature_celsius", "chip.temp2"): 41.0}, ())


def test_a_device_that_vanishes_is_a_fault_and_is_found_again_under_another_number(plant: Plant) -> None:
    rail = {"in1_label": "VDD_IN", "in1_input": "5000", "curr1_input": "1000"}
    tree = plant({**monitor(0, "tmp451", temp1_input="40000"), **monitor(3, "ina3221", **rail)})
    linked(tree, 3, "1-0040")
    source = find(tree, period=1.0)
    assert values(source.read(), "power_watts") == {"ina3221.VDD_IN": 5.0}
    gone = tree.path("sys/class/hwmon/hwmon3")
    for file in gone.iterdir():
        file.unlink()
    gone.rmdir()
    for _ in range(20):
        reads = source.read()
        assert everything(reads) == {("temperature_celsius", "tmp451.temp1"): 40.0}
        assert list(faults(reads)) == ["ina3221.VDD_IN"]
    plant(monitor(7, "ina3221", **rail))
    linked(tree, 7, "1-0040")
    reads = [source.read() for _ in range(5)][-1]  # 5 s
    assert values(reads, "power_watts") == {"ina3221.VDD_IN": 5.0}
    assert reads.faults == ()


def test_an_input_that_vanishes_keeps_counting_as_a_fault(plant: Plant) -> None:
    tree = plant(monitor(0, "chip", temp1_input="40000", temp2_input="41000"))
    source = find(tree)
    tree.path("sys/class/hwmon/hwmon0/temp2_input").unlink()
    assert all(list(faults(source.read())) == ["chip.temp2"] for _ in range(130))


def test_a_device_that_appears_later_is_found_and_changes_no_names(plant: Plant) -> None:
    source = find(plant(monitor(0, "nvme", temp1_input="40000")))
    plant(monitor(1, "nvme", temp1_input="50000"))
    seen = [values(source.read(), "temperature_celsius") for _ in range(60)]
    assert seen[0] == {"nvme.temp1": 40.0}
    assert seen[-1] == {"nvme.temp1": 40.0, "nvme.hwmon1.temp1": 50.0}


def test_a_label_that_fails_once_makes_no_second_rail_of_one(plant: Plant) -> None:
    tree = plant(monitor(0, "ina3221", in1_label="VDD_IN", in1_input="5000", curr1_input="1000"))
    source = find(tree)
    tree.path("sys/class/hwmon/hwmon0/in1_label").write_bytes(b"\xff")
    for _ in range(61):
        reads = source.read()
    assert {reading.name for reading in reads.readings} == {"ina3221.VDD_IN"}


def test_links_to_themselves_stop_nothing(plant: Plant) -> None:
    tree = plant(monitor(0, "chip", temp1_input="40000"))
    tree.path("sys/class/hwmon/hwmon0/device").symlink_to("device")
    tree.path("sys/class/hwmon/hwmon1").symlink_to("hwmon1")
    assert values(find(tree).read(), "temperature_celsius") == {"chip.temp1": 40.0}


# Bounds.


def test_a_server_does_not_burst_the_window_and_keeps_what_matters(plant: Plant) -> None:
    files: dict[str, str | bytes] = {f"in{number}_input": "1000" for number in range(120)}
    files |= {f"temp{number}_input": "40000" for number in range(1, 31)}
    files |= {f"fan{number}_input": "900" for number in range(1, 21)}
    files |= {f"power{number}_input": "1000000" for number in range(1, 6)}
    source = find(plant(monitor(0, "bmc", **files)))
    for _ in range(61):
        reads = source.read()
        assert len(reads.readings) == 40
        assert len(values(reads, "power_watts")) == 5
        assert len(values(reads, "temperature_celsius")) == 30
        assert len(values(reads, "fan_rpm")) == 5
        assert reads.labels == (Label(metric="hwmon_left_out", text="135"),)


def test_a_rail_behind_a_server_full_of_voltages_is_kept(plant: Plant) -> None:
    many = monitor(0, "bmc", **{f"in{number}_input": "1000" for number in range(50)})
    rail = monitor(1, "ina226", in1_input="12000", curr1_input="1000", power1_input="12000000")
    reads = find(plant({**many, **rail})).read()
    assert values(reads, "power_watts") == {"ina226.power1": 12.0}
    assert values(reads, "current_amperes") == {"ina226.curr1": 1.0}


@given(content=st.binary(max_size=10), name=st.binary(max_size=10))
def test_any_content_is_plausible_or_a_fault_or_absent(
    content: bytes, name: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp() / "any-monitor"
    folder = root / "sys/class/hwmon/hwmon0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_bytes(name)
    for file in ("temp1_input", "in1_input", "in1_label", "curr1_input", "power1_input", "fan1_input", "curr1_max_alarm"):
        (folder / file).write_bytes(content)
    reads = find(Tree(root)).read()
    assert len({(reading.metric, reading.name) for reading in reads.readings}) == len(reads.readings)
    for value in values(reads, "temperature_celsius").values():
        assert -40 <= value <= 150
    for value in values(reads, "fan_rpm").values():
        assert 0 <= value <= 100_000
