"""One file per source; the file's name is its configuration key, log field, README row and test's name.

A sensor's file holds its `Config`, its `METRICS` and one function `find`; `agent.core.sensor` describes them.
Files whose name begins with an underscore are shared helpers, not sensors.
"""
