"""`envgw rules list`."""

from __future__ import annotations

from typing import Any

from gateway.conditions import vocabulary
from gateway.coreconfig import CoreConfig
from rules.model import Conditions, RuleModel, compile_rule


def rows(core: CoreConfig) -> list[dict[str, Any]]:
    """One row a rule, in the order of the files, with the stations it watches."""
    registry = core.interpreter.registry
    condition = Conditions(vocabulary(core.interpreter.catalogue))
    found = []
    for plain in core.plain["rules"]:
        rule = compile_rule(RuleModel.model_validate(plain), condition)
        stations = [name for name, station in sorted(registry.stations.items()) if rule.watches(station, station.area)]
        found.append({**plain, "stations": stations})
    return found
