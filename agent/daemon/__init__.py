"""Engine and publisher joined into a service: signals, reload, shut-down."""
