"""One file per inference runtime: what it is called, which version is here, how it loads a model."""
