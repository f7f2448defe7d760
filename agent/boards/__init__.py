"""What is known about a board: its name, its identity, which of its figures can be believed."""
