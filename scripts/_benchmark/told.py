"""`python -m _benchmark.told FILE ARGUMENTS`: `emberd ARGUMENTS`, with what the workload says once it is ready kept in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from unittest import mock

import msgspec

from agent.commands.main import main
from agent.engine.process import ChildProcess
from agent.workload.plan import Answer, Ready

_answer = ChildProcess.answer


def _keep(path: Path) -> None:
    """Let the product's own main run, listening to one answer."""

    def answer(life: ChildProcess) -> Answer | None:
        said = _answer(life)
        if isinstance(said, Ready):
            path.write_bytes(msgspec.json.encode(said))
        return said

    with mock.patch.object(ChildProcess, "answer", answer):
        sys.exit(main(sys.argv[2:]))


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
