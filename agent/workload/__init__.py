"""The process that does the inference and nothing else."""
