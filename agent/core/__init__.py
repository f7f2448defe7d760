"""The words everything else is written in: units, errors, records, clock, configuration, ring, histogram."""
