"""Where records go: the spool first, then MQTT."""
