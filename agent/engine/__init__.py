"""What run, bench and replay share: supervisor of workloads, sampler of sensors, assembly of windows."""
