"""The names that conditions of rules may use in this gateway: one place, for loading, checking and running them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from devices.parameters import Parameter
from rules.language.vocabulary import Vocabulary


def vocabulary(
    catalogue: Mapping[str, Parameter], stations: Collection[str] | None = None, areas: Collection[str] | None = None,
    tags: Collection[str] | None = None,
) -> Vocabulary:  # fmt: skip
    """Parameters of the catalogue; stations, areas and tags are only checked where they are given."""
    return Vocabulary(catalogue=catalogue, stations=stations, areas=areas, tags=tags)
