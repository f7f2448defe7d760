"""What one line of every recording says, read off by eye: no value here came out of a parser."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.sensors._tegraline import Core, Engine, Rail, Zone

OFF = Core()


@dataclass(frozen=True, kw_only=True)
class Known:
    """One line: which, and everything in it that is kept."""

    number: int
    stamp: str | None = None
    cores: tuple[Core, ...]
    shared_frequency_hertz: float | None = None
    engines: tuple[Engine, ...]
    foreground_ratio: float | None = None
    background_ratio: float | None = None
    zones: tuple[Zone, ...] = ()
    average_celsius: float | None = None
    rails: tuple[Rail, ...] = field(default=())


def core(percent: int, megahertz: int | None = None) -> Core:
    return Core(load_ratio=percent / 100, frequency_hertz=None if megahertz is None else megahertz * 1e6)


def at(megahertz: int | None, *percents: int) -> tuple[Core, ...]:
    """Return cores of one clock."""
    return tuple(core(percent, megahertz) for percent in percents)


def busy(name: str, percent: int, *megahertz: int) -> Engine:
    return Engine(name=name, load_ratio=percent / 100, frequencies_hertz=tuple(clock * 1e6 for clock in megahertz))


def clocked(name: str, *megahertz: int) -> Engine:
    return Engine(name=name, frequencies_hertz=tuple(clock * 1e6 for clock in megahertz))


def off(*names: str) -> tuple[Engine, ...]:
    return tuple(Engine(name=name) for name in names)


def zones(**celsius: float) -> tuple[Zone, ...]:
    return tuple(Zone(name=name, celsius=value) for name, value in celsius.items())


def highs(**celsius: float) -> tuple[Zone, ...]:
    """Return zones that are at their highest."""
    return tuple(Zone(name=name, celsius=value, highest_celsius=value) for name, value in celsius.items())


def rail(name: str, now: int, mean: int, highest: int | None = None) -> Rail:
    return Rail(name=name, watts=now / 1000, mean_watts=mean / 1000, highest_watts=None if highest is None else highest / 1000)


# A plain user is shown 0 %, which is not a measurement.
UNREAD_EMC = Engine(name="EMC")
ORIN_OFF = off("NVDLA0", "NVDLA1", "PVA0")

KNOWN = {
    "agx_orin32_r36_ws_dd.txt": Known(
        number=1,
        cores=(*at(729, 3, 4, 0, 1), *at(2201, 0, 100, 1, 0, 100, 0, 0, 0)),
        engines=(
            busy("EMC", 1, 2133),
            busy("GR3D", 0, 305, 305),
            *off("NVENC", "NVDEC", "NVJPG", "NVJPG1", "VIC", "OFA"),
            *ORIN_OFF,
            clocked("APE", 174),
        ),
        zones=zones(cpu=53.062, soc2=48.25, soc0=48.843, gpu=47.812, tj=53.062, soc1=48.968),
        rails=(rail("VDD_GPU_SOC", 3205, 3205), rail("VDD_CPU_CV", 4405, 4405), rail("VIN_SYS_5V0", 4767, 4767)),
    ),
    "agx_orin64_jp6_llm_43.txt": Known(
        number=3,
        stamp="08-14-2025 15:01:00",
        cores=(*at(1728, 2), *at(729, 6, 1, 4), *at(883, 8, 0, 0, 68), OFF, OFF, OFF, OFF),
        engines=(
            busy("EMC", 11, 204),
            busy("GR3D", 38, 305, 0),
            *off("NVENC", "NVDEC", "NVJPG", "NVJPG1", "VIC", "OFA"),
            *ORIN_OFF,
            clocked("APE", 174),
        ),
        zones=zones(cpu=51, soc2=47.937, soc0=48.562, gpu=47.625, tj=51, soc1=48.062),
        rails=(rail("VDD_GPU_SOC", 2797, 2797), rail("VDD_CPU_CV", 799, 799), rail("VIN_SYS_5V0", 3114, 3148)),
    ),
    "agx_orin64_jp6_sudo.txt": Known(
        number=1,
        stamp="07-21-2025 16:33:42",
        cores=(*at(1728, 7), *at(1036, 31, 7, 42), *at(1420, 4), *at(729, 5, 6, 1), OFF, OFF, OFF, OFF),
        engines=(
            busy("EMC", 12, 204),
            busy("GR3D", 39, 305, 0),
            *off("NVENC", "NVDEC", "NVJPG", "NVJPG1", "VIC", "OFA"),
            *ORIN_OFF,
            clocked("APE", 174),
        ),
        zones=zones(cpu=43.906, soc2=40.406, soc0=41.187, gpu=40.093, tj=43.906, soc1=40.437),
        rails=(rail("VDD_GPU_SOC", 2798, 2798), rail("VDD_CPU_CV", 799, 799), rail("VIN_SYS_5V0", 3315, 3315)),
    ),
    "agx_orin64_jp6_user_dd.txt": Known(
        number=1,
        cores=at(2201, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        engines=(busy("GR3D", 0),),
        zones=zones(cpu=42, soc2=37.843, soc0=39.187, gpu=37.75, tj=42, soc1=37.937),
        rails=(rail("VDD_GPU_SOC", 4940, 4940), rail("VDD_CPU_CV", 988, 988), rail("VIN_SYS_5V0", 4442, 4442)),
    ),
    "agx_orin64_r35_idle.txt": Known(
        number=1,
        stamp="04-24-2023 00:01:24",
        cores=at(729, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        engines=(busy("EMC", 0, 2133), busy("GR3D", 0, 0), busy("GR3D2", 0, 0), clocked("VIC", 729), clocked("APE", 174)),
        zones=zones(CPU=42.593, Tboard=32, SOC2=39.343, Tdiode=33.25, SOC0=39.375, tj=42.593, SOC1=40.468),
        rails=(
            rail("VDD_GPU_SOC", 2399, 2399),
            rail("VDD_CPU_CV", 400, 400),
            rail("VIN_SYS_5V0", 4032, 4032),
            rail("NC", 0, 0),
            rail("VDDQ_VDD2_1V8AO", 301, 301),
            rail("NC", 0, 0),
        ),
    ),
    "agx_orin_r36.4.4.txt": Known(
        number=3,
        stamp="05-09-2026 18:42:08",
        cores=(
            core(14, 729),
            core(5, 1648),
            core(4, 1645),
            core(3, 2050),
            *at(1113, 3, 0, 0, 70),
            *at(1651, 4, 32, 3, 15),
        ),
        engines=(
            busy("EMC", 2, 2133),
            busy("GR3D", 0, 0, 0),
            busy("NVENC", 78, 179),
            *off("NVDEC", "NVJPG", "NVJPG1"),
            busy("VIC", 37, 115),
            *off("OFA"),
            *ORIN_OFF,
            clocked("APE", 174),
        ),
        zones=zones(cpu=52.156, soc2=48.468, soc0=49.218, tj=52.156, soc1=49.625),
        rails=(rail("VDD_GPU_SOC", 2412, 2412), rail("VDD_CPU_CV", 1607, 1607), rail("VIN_SYS_5V0", 4707, 4674)),
    ),
    "agx_thor_r38.4.0.txt": Known(
        number=2,
        stamp="05-17-2026 10:00:33",
        cores=(*at(972, 0, 0, 0, 0, 1, 0, 1, 0), *at(2601, 0, 17), *at(972, 1, 9, 0, 1)),
        engines=(
            busy("EMC", 0, 665),
            clocked("GR3D", 0, 0, 0),
            clocked("NVENC0", 0),
            clocked("NVENC1", 0),
            clocked("NVDEC0", 0),
            clocked("NVDEC1", 0),
            clocked("NVJPG0", 0),
            *off("VIC"),
            clocked("OFA", 0),
            *off("PVA0"),
            clocked("APE", 300),
        ),
        zones=zones(cpu=35.25, tj=36.031, soc012=36.062, soc345=34.5),
        rails=(rail("VDD_GPU", 0, 0), rail("VDD_CPU_SOC_MSS", 4923, 4544), rail("VIN_SYS_5V0", 4327, 4227)),
    ),
    "agx_xavier_jp4_dd.txt": Known(
        number=1,
        cores=(*at(1190, 2, 0, 0, 0), OFF, OFF, OFF, OFF),
        engines=(busy("EMC", 0, 665), busy("GR3D", 0, 318), clocked("APE", 150)),
        foreground_ratio=0.0,
        background_ratio=0.0,
        zones=zones(AO=37.5, GPU=37.5, Tdiode=40, AUX=36, CPU=37.5, Tboard=37),
        average_celsius=36.9,
        rails=(
            rail("GPU", 0, 0),
            rail("CPU", 311, 311),
            rail("SOC", 932, 932),
            rail("CV", 0, 0),
            rail("VDDRQ", 621, 621),
            rail("SYS5V", 1482, 1482),
        ),
    ),
    "agx_xavier_jp4_gpu_loaded.txt": Known(
        number=1,
        cores=(*at(1190, 17, 17, 18, 25), core(17, 1336), core(15, 1340), core(23, 1543), core(15, 1574)),
        engines=(busy("EMC", 55, 2133), busy("GR3D", 95, 1377), clocked("APE", 150)),
        foreground_ratio=0.0,
        background_ratio=0.1,
        zones=zones(AO=48, GPU=54.5, Tdiode=53.25, AUX=46, CPU=49, Tboard=47),
        average_celsius=49.45,
        rails=(
            rail("GPU", 18401, 18525),
            rail("CPU", 2301, 2330),
            rail("SOC", 4602, 4602),
            rail("CV", 0, 0),
            rail("VDDRQ", 2914, 2911),
            rail("SYS5V", 4632, 4620),
        ),
    ),
    "nano_jp4_dd.txt": Known(
        number=1,
        cores=at(204, 16, 9, 0, 0),
        engines=(busy("EMC", 0, 204), busy("GR3D", 0, 76), clocked("APE", 25)),
        zones=zones(PLL=34, CPU=36.5, GPU=36, AO=39.5),
        average_celsius=36.25,
        rails=(rail("POM_5V_IN", 1022, 1022), rail("POM_5V_GPU", 0, 0), rail("POM_5V_CPU", 204, 204)),
    ),
    "nano_jp4_no_rails.txt": Known(
        number=1,
        cores=(*at(921, 28, 19), OFF, OFF),
        engines=(UNREAD_EMC, busy("GR3D", 0)),
        zones=zones(PLL=41, CPU=42.5, GPU=40.5, AO=50),
        average_celsius=41.75,
    ),
    "nano_jp4_sudo_cpu_then_gpu_114.txt": Known(
        number=60,
        cores=(core(29, 102), *at(204, 7, 0, 0)),
        engines=(busy("EMC", 24, 1600), busy("GR3D", 99, 921), clocked("APE", 25)),
        zones=zones(PLL=26, CPU=29, GPU=28, AO=31),
        average_celsius=28.5,
        rails=(rail("POM_5V_IN", 5206, 3949), rail("POM_5V_GPU", 3189, 1674), rail("POM_5V_CPU", 179, 575)),
    ),
    "orin_nano8_jp6_sudo.txt": Known(
        number=1,
        stamp="11-15-2024 08:38:09",
        cores=at(729, 15, 11, 14, 13, 11, 8),
        engines=(
            busy("EMC", 43, 2133),
            busy("GR3D", 63, 621),
            *off("NVDEC", "NVJPG", "NVJPG1", "VIC", "OFA"),
            clocked("APE", 200),
        ),
        zones=zones(cpu=53.968, soc2=52.437, soc0=50.75, gpu=53.343, tj=53.968, soc1=51.656),
        rails=(rail("VDD_IN", 12479, 12479), rail("VDD_CPU_GPU_CV", 4667, 4667), rail("VDD_SOC", 2817, 2817)),
    ),
    "orin_nano8_jp6_user.txt": Known(
        number=3,
        stamp="08-10-2026 21:39:51",
        cores=at(729, 11, 7, 8, 4, 3, 14),
        engines=(busy("GR3D", 0),),
        zones=zones(cpu=51.218, soc2=51.093, soc0=50.125, gpu=51.593, tj=51.718, soc1=50.343),
        rails=(rail("VDD_IN", 4744, 6179), rail("VDD_CPU_GPU_CV", 1273, 2369), rail("VDD_SOC", 1234, 1392)),
    ),
    "orin_nano_r39.2.0.txt": Known(
        number=1,
        stamp="09-04-2026 19:40:46",
        cores=(*at(1510, 66, 2, 0, 1), *at(729, 33, 0)),
        engines=(
            busy("EMC", 1, 2133),
            busy("GR3D", 4, 305),
            *off("NVDEC0", "NVJPG0", "NVJPG1", "VIC", "OFA"),
            clocked("APE", 200),
        ),
        zones=highs(cpu=48, soc2=46.906, soc0=46.031, gpu=48.125, tj=48.125, soc1=46.906),
        rails=(
            rail("VDD_IN", 4832, 4832, 4832),
            rail("VDD_CPU_GPU_CV", 1236, 1236, 1236),
            rail("VDD_SOC", 1437, 1437, 1437),
        ),
    ),
    "orin_nx16_jp5_dd.txt": Known(
        number=1,
        cores=(*at(729, 6, 9, 5, 16), OFF, OFF, OFF, OFF),
        engines=(busy("EMC", 0, 2133), busy("GR3D", 0, 611), clocked("VIC", 729), clocked("APE", 174)),
        zones=zones(CV0=45.812, CPU=47.937, SOC2=46.093, SOC0=46.968, CV1=46.406, GPU=45.875, tj=48.875, SOC1=48.875, CV2=45.75),
        rails=(rail("VDD_IN", 5299, 5299), rail("VDD_CPU_GPU_CV", 773, 773), rail("VDD_SOC", 1424, 1424)),
    ),
    "tx1_jp2.txt": Known(
        number=2,
        cores=at(None, 1, 0, 0, 1),
        shared_frequency_hertz=102e6,
        engines=(busy("EMC", 1, 408), busy("AVP", 33, 12), clocked("VDE", 0), busy("GR3D", 0, 76)),
    ),
    "tx1_jp4_dd.txt": Known(
        number=1,
        cores=at(102, 1, 4, 0, 0),
        engines=(busy("EMC", 7, 408), busy("GR3D", 0, 76), clocked("APE", 25)),
        zones=zones(AO=42.5, CPU=37.5, GPU=39, PLL=37, Tdiode=42.75, Tboard=42),
        average_celsius=38.5,
        rails=(rail("VDD_IN", 2532, 2698), rail("VDD_CPU", 76, 178), rail("VDD_GPU", 19, 19)),
    ),
    "tx1_l4t28.1.txt": Known(
        number=2,
        cores=at(None, 17, 11, 65, 0),
        shared_frequency_hertz=1734e6,
        engines=(busy("EMC", 1, 1600), clocked("APE", 25), busy("GR3D", 39, 76)),
    ),
    "tx2_8gb_jp4_log_433.txt": Known(
        number=26,
        cores=(core(2, 345), *at(1420, 19, 4), *at(345, 0, 0, 0)),
        engines=(UNREAD_EMC, busy("GR3D", 3)),
        zones=zones(PLL=36.5, MCPU=36.5, Tboard=30, GPU=34.5, BCPU=36.5, Tdiode=33.5),
        average_celsius=36.3,
        rails=(
            rail("VDD_SYS_GPU", 3975, 391),
            rail("VDD_SYS_SOC", 1070, 701),
            rail("VDD_4V0_WIFI", 0, 0),
            rail("VDD_IN", 8986, 4344),
            rail("VDD_SYS_CPU", 611, 1087),
            rail("VDD_SYS_DDR", 2096, 1059),
        ),
    ),
    "tx2_8gb_jp4_test_file.txt": Known(
        number=3,
        cores=at(345, 15, 0, 8, 0, 0, 16),
        engines=(UNREAD_EMC, busy("GR3D", 0)),
        zones=zones(PLL=35.5, MCPU=35.5, Tboard=29, GPU=32, BCPU=35.5, Tdiode=31.5),
        average_celsius=33.8,
        rails=(
            rail("VDD_SYS_GPU", 153, 153),
            rail("VDD_SYS_SOC", 536, 536),
            rail("VDD_4V0_WIFI", 0, 0),
            rail("VDD_IN", 2683, 2798),
            rail("VDD_SYS_CPU", 536, 613),
            rail("VDD_SYS_DDR", 596, 634),
        ),
    ),
    "tx2_8gb_jp4_time_log.txt": Known(
        number=33,
        cores=(core(18, 499), *at(345, 32, 53), *at(806, 22, 12, 15)),
        engines=(UNREAD_EMC, busy("GR3D", 99)),
        zones=zones(PLL=54, MCPU=54, Tboard=47, GPU=58, BCPU=54, Tdiode=58),
        average_celsius=55.7,
        rails=(
            rail("VDD_SYS_GPU", 7403, 7103),
            rail("VDD_SYS_SOC", 1374, 1358),
            rail("VDD_4V0_WIFI", 0, 0),
            rail("VDD_IN", 14131, 13795),
            rail("VDD_SYS_CPU", 1068, 1090),
            rail("VDD_SYS_DDR", 2923, 2850),
        ),
    ),
    "tx2_jp3_pixhawk.txt": Known(
        number=1,
        cores=(*at(2035, 2, 0, 0, 2), core(2, 2036), core(2, 2035)),
        engines=(busy("EMC", 1, 1866), busy("GR3D", 0, 1300), clocked("APE", 150)),
        foreground_ratio=0.0,
        background_ratio=0.0,
        zones=zones(BCPU=30, MCPU=30, GPU=29, PLL=30, Tboard=28, Tdiode=28.25),
        average_celsius=29.4,
        rails=(
            rail("VDD_IN", 3104, 4029),
            rail("VDD_CPU", 291, 730),
            rail("VDD_GPU", 145, 207),
            rail("VDD_SOC", 727, 746),
            rail("VDD_WIFI", 0, 180),
            rail("VDD_DDR", 1248, 1375),
        ),
    ),
    "tx2_jp46_beszel.txt": Known(
        number=1,
        cores=(core(44, 1421), core(49, 2031), core(67, 2034), core(17, 1420), core(25, 1419), core(8, 1420)),
        engines=(busy("EMC", 1, 1866), busy("GR3D", 0, 114), clocked("APE", 150)),
        foreground_ratio=0.01,
        background_ratio=0.01,
        zones=zones(PLL=42.5, MCPU=42.5, Tboard=38, GPU=39.5, BCPU=42.5, Tdiode=39.25),
        average_celsius=41.3,
        rails=(
            rail("VDD_SYS_GPU", 182, 182),
            rail("VDD_SYS_SOC", 730, 730),
            rail("VDD_4V0_WIFI", 0, 0),
            rail("VDD_IN", 5297, 5297),
            rail("VDD_SYS_CPU", 1917, 1917),
            rail("VDD_SYS_DDR", 1241, 1241),
        ),
    ),
    "tx2_jp4_dd.txt": Known(
        number=1,
        cores=(core(1, 345), OFF, OFF, *at(345, 1, 0, 2)),
        engines=(busy("EMC", 4, 1600), busy("GR3D", 0, 624), clocked("APE", 150)),
        zones=zones(PLL=37.5, MCPU=37.5, Tboard=32, GPU=35, BCPU=37.5, Tdiode=34.25),
        average_celsius=36.5,
        rails=(
            rail("VDD_SYS_GPU", 152, 152),
            rail("VDD_SYS_SOC", 687, 687),
            rail("VDD_4V0_WIFI", 0, 0),
            rail("VDD_IN", 3056, 3056),
            rail("VDD_SYS_CPU", 152, 152),
            rail("VDD_SYS_DDR", 883, 883),
        ),
    ),
    "xavier_nx_jp4_dd.txt": Known(
        number=1,
        cores=(*at(1190, 9, 6, 6, 5, 4), core(8, 1267)),
        engines=(busy("EMC", 10, 1600), busy("GR3D", 62, 306), clocked("APE", 150)),
        foreground_ratio=0.0,
        background_ratio=0.0,
        zones=zones(AO=41.5, GPU=43, AUX=41.5, CPU=43.5),
        average_celsius=42.55,
        rails=(rail("VDD_IN", 4067, 4067), rail("VDD_CPU_GPU_CV", 738, 738), rail("VDD_SOC", 1353, 1353)),
    ),
    "xavier_nx_jp4_sudo.txt": Known(
        number=1,
        cores=(*at(1190, 14, 9, 2, 4, 0), core(1, 1344)),
        engines=(busy("EMC", 1, 1600), busy("GR3D", 0, 114), busy("VIC", 0, 115), clocked("APE", 150)),
        foreground_ratio=0.0,
        background_ratio=0.03,
        zones=zones(AO=31, GPU=31.5, AUX=31.5, CPU=33),
        average_celsius=31.95,
        rails=(rail("VDD_IN", 3528, 3569), rail("VDD_CPU_GPU_CV", 410, 426), rail("VDD_SOC", 1107, 1115)),
    ),
    "xavier_nx_jp5.txt": Known(
        number=1,
        cores=(core(3, 1904), core(7, 1906), core(1, 1905), core(0, 1907), OFF, OFF),
        engines=(busy("EMC", 0, 1600), busy("GR3D", 0, 510), clocked("VIC", 601), clocked("APE", 150)),
        zones=zones(AUX=39, CPU=39.5, AO=37.5, GPU=37.5),
        rails=(rail("VDD_IN", 5079, 5079), rail("VDD_CPU_GPU_CV", 696, 696), rail("VDD_SOC", 1104, 1104)),
    ),
    "xavier_nx_jp5_burn_log.txt": Known(
        number=2,
        stamp="10-01-2025 20:05:56",
        cores=(*at(1190, 100, 100), *at(1189, 100, 100), OFF, OFF),
        engines=(UNREAD_EMC, busy("GR3D", 32)),
        zones=zones(AUX=36.5, CPU=40, AO=37.5, GPU=38),
        average_celsius=38.0,
        rails=(rail("VDD_IN", 5542, 5542), rail("VDD_CPU_GPU_CV", 1674, 1634), rail("VDD_SOC", 1236, 1235)),
    ),
}
