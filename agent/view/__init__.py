"""What a person at the device sees."""
