"""The simulator: seeded stations of a coastal city, their faults, and real series, published over MQTT."""
