"""One short file per subcommand: parse options, wire source to sink."""
