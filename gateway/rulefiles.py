"""Rules files that are named on the command line: read like those of a configuration, and put in their place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from gateway.config import ConfigError, LoadedConfig, yamlfile
from gateway.config.yamlfile import Document, Problem

_SUFFIXES = (".yaml", ".yml")


def documents(paths: Sequence[Path], problems: list[Problem]) -> list[Document]:
    """The files, and those in the folders, in the order of their names. What cannot be read is added to `problems`."""
    found: list[Document] = []
    for path in paths:
        files = sorted(child for child in path.iterdir() if child.suffix in _SUFFIXES and child.is_file()) if path.is_dir() else [path]
        if not files:
            problems.append(Problem(str(path), 0, 0, "the folder holds no .yaml file"))
        for file in files:
            if not file.exists():
                problems.append(Problem(str(file), 0, 0, "there is no such file or folder"))
                continue
            document = yamlfile.read(file)
            problems.extend(document.problems)
            if not document.problems:
                found.append(document)
    return found


def with_rules(loaded: LoadedConfig, paths: Sequence[Path]) -> LoadedConfig:
    """The configuration with these rules instead of its own. Raises ConfigError for files that cannot be read."""
    problems: list[Problem] = []
    found = documents(paths, problems)
    if problems:
        raise ConfigError(problems)
    return dataclasses.replace(loaded, rules=tuple(found))
