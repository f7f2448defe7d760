"""Plays tegrastats: `_fake_tegrastats.py MODE --interval MILLISECONDS`.

Modes: `runs`: a line per interval, the load of its core counting them; `stubborn`: likewise, and SIGTERM is ignored; `refuses`: as
the real one answers an option that it does not know; `mute`: nothing at all; `once`: one line, and it ends.
"""

from __future__ import annotations

import itertools
import signal
import sys
import time


def main(mode: str, interval_seconds: float) -> None:
    if mode == "refuses":
        sys.stdout.write("Unknown command: --interval. Please try again or see --help\n")
        return
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for number in itertools.count(1):
        time.sleep(interval_seconds)
        if mode == "mute":
            continue
        sys.stdout.write(f"RAM 936/3964MB (lfb 366x4MB) CPU [{number % 101}%@1479] CPU@27.5C POM_5V_IN 1537/1537\n")
        sys.stdout.flush()
        if mode == "once":
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[sys.argv.index("--interval") + 1]) / 1000)
