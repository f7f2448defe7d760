"""What every command that reads the configuration shares."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core import configfile
from agent.core.units import Seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.core.config import Config
    from agent.core.sensor import Kind


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--config`."""
    parser.add_argument(
        "--config", metavar="F", help="configuration file (else $EMBERD_CONFIG, ./config.toml, /etc/emberd/config.toml)"
    )


def read(arguments: argparse.Namespace, kinds: Mapping[str, Kind]) -> Config:
    """Return the configuration that the options and the environment name; raises `ConfigError`."""
    return configfile.read(configfile.locate(arguments.config, os.environ, Path.cwd()), os.environ, kinds)


def duration(text: str) -> Seconds:
    """Read a duration option; for argparse."""
    try:
        seconds = Seconds.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time at all")
    return seconds
