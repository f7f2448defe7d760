from __future__ import annotations

import json

import pytest

from agent.publish.spool import Row
from agent.publish.stamp import Name, stamped

NAME = Name(site="lab", device="pi-1", boot_id="b")


def row(body: bytes) -> Row:
    return Row(seq=7, stream="s", kind="window", boot_id="b", monotonic_seconds=1.0, length_seconds=10.0, body=body)


def test_a_message_leaves_with_name_stream_and_number_behind_its_version() -> None:
    wire = stamped(row(b'{"v":1,"boot_id":"b","meta_id":"m"}'), NAME, historical=False)
    assert wire.startswith(b'{"v":1,"site":"lab","device":"pi-1","stream":"s","seq":7,')
    assert json.loads(wire) == {"v": 1, "site": "lab", "device": "pi-1", "stream": "s", "seq": 7, "boot_id": "b", "meta_id": "m"}


def test_a_late_message_says_so() -> None:
    assert json.loads(stamped(row(b'{"v":1,"boot_id":"b"}'), NAME, historical=True))["historical"] is True


def test_fields_that_this_version_does_not_know_pass_unchanged() -> None:
    wire = stamped(row(b'{"v":1,"from_tomorrow":{"a":[1,2]}}'), NAME, historical=False)
    assert json.loads(wire)["from_tomorrow"] == {"a": [1, 2]}


def test_a_body_without_its_version_is_not_sent() -> None:
    with pytest.raises(ValueError, match="message 7"):
        stamped(row(b'{"boot_id":"b"}'), NAME, historical=False)
