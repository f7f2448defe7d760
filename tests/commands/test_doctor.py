from __future__ import annotations

import json
from typing import TYPE_CHECKING

from agent.commands.main import main
from agent.publish.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from conftest import Broker


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    return {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}


def test_a_machine_that_is_well_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: Broker) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        f'[spool]\npath = "{tmp_path}/spool"\n[[workload]]\nmodel = "digits_int8"\n'
        f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    )
    assert main(["doctor", "--config", str(file), "--json"]) == 0
    found = findings(capsys)
    assert found["broker"]["status"] == "ok"
    assert found["workload default"]["status"] == "ok"
    assert "digits_int8" in found["workload default"]["seen"]
    assert found["sensor memory"]["status"] == "ok"
    assert found["spool"]["status"] == "ok"
    assert all(set(finding) == {"name", "status", "seen", "mend"} for finding in found.values())
    assert {finding["status"] for finding in found.values()} <= {"ok", "warn", "fail", "absent"}


def test_everything_that_fails_says_how_to_mend_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    file = tmp_path / "config.toml"
    file.write_text(
        f'[spool]\npath = "{tmp_path}/file/spool"\n[[workload]]\nmodel = "nothing"\n[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
        f'[sensors]\nroot = "{tmp_path}"\n[sensors.thermal]\nenabled = true\n'
    )
    assert main(["doctor", "--config", str(file), "--json"]) == 1
    found = findings(capsys)
    for name in ("spool", "workload default", "broker", "sensor thermal"):
        assert found[name]["status"] == "fail", name
        assert found[name]["mend"], name


def test_the_table_shows_one_line_a_finding_and_its_mend_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text(f'workload = []\n[spool]\npath = "{tmp_path}/spool"\n')
    main(["doctor", "--config", str(file)])
    out = capsys.readouterr().out
    assert "absent  broker" in out
    assert "mend: set mqtt.host" in out


def test_the_spool_of_a_running_daemon_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spool = Spool(tmp_path / "spool", "boot-1", 1e8)
    file = tmp_path / "config.toml"
    file.write_text(f'workload = []\n[spool]\npath = "{tmp_path}/spool"\n')
    assert main(["doctor", "--config", str(file), "--json"]) == 0
    assert "in use by the running daemon" in findings(capsys)["spool"]["seen"]
    spool.close()
