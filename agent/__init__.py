"""emberd: sustained inference on an edge device, measured together with heat, clocks, memory and power."""

__version__ = "0.1.0"
