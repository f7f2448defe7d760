"""Where a model that the configuration names is."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import Unusable
from agent.workload import model as models


def refused(named: str) -> str:
    with pytest.raises(Unusable) as caught:
        models.locate(named)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_two_models_are_shipped() -> None:
    assert models.shipped() == ("digits_int8", "mobilenet_v2_int8")


@pytest.mark.parametrize("name", models.shipped())
def test_a_shipped_model_is_found_by_its_name_alone(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert models.locate(name) == models.SHIPPED / f"{name}.tflite"


def test_a_shipped_model_is_not_hidden_by_a_file_of_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_int8").write_text("something else")
    assert models.locate("digits_int8").parent == models.SHIPPED
    with pytest.raises(Unusable):
        models.locate("./digits_int8")


def test_a_path_is_found_from_where_the_command_runs_and_told_in_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    content = models.locate("digits_int8").read_bytes()
    (tmp_path / "mine.tflite").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    for named in ("mine.tflite", "./mine.tflite", str(tmp_path / "mine.tflite")):
        assert models.locate(named) == (tmp_path / "mine.tflite").resolve()


def test_a_model_that_is_not_there_is_refused_with_those_that_are() -> None:
    message = refused("resnet")
    for said in ("resnet", *models.shipped()):
        assert said in message


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    assert str(tmp_path) in refused(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"TFL", b"0123TFL2", b"a text file that somebody named so"])
def test_a_file_without_the_identifier_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.tflite"
    path.write_bytes(content)
    assert "is not a TensorFlow Lite model" in refused(str(path))


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    refused("a" * 300)
    refused(str(tmp_path / ("a" * 300)))


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "loop.tflite"
    link.symlink_to(link)
    assert "loop.tflite" in refused(str(link))


def test_a_model_is_called_by_its_file_without_the_suffix() -> None:
    assert models.title(Path("/srv/models/parts.v2.tflite")) == "parts.v2"
    assert models.title(Path("/srv/models/parts")) == "parts"
