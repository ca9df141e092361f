"""Configuration: files → settings, stations, types and rules, with file and line of whatever is wrong."""

from gateway.config.reading import DEFAULT, ConfigError, LoadedConfig, load, problems_in

__all__ = ["DEFAULT", "ConfigError", "LoadedConfig", "load", "problems_in"]
