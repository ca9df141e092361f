"""Questions to Prometheus, for cities that scrape the gateway's /metrics: the other source of the *Gateway* dashboard."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.cog import builder, variants

SOURCE = {"type": "prometheus", "uid": "${prometheus}"}
"""A variable of its own: links carry variables along, and an InfluxDB would be no use here."""
HERE = 'instance=~"${instance:regex}"'
"""The gateways chosen on the page."""


class Query(variants.Dataquery, builder.Builder["Query"]):
    """One PromQL query of a panel; `legend` names its series: `{{label}}` is replaced by Grafana."""

    def __init__(self, expression: str, *, legend: str) -> None:
        self.ref_id = "A"
        self.expression = expression
        self.legend = legend

    def build(self) -> Query:
        """Itself: a query needs no building."""
        return self

    def to_json(self) -> dict[str, Any]:
        """What Grafana's Prometheus plug-in stores."""
        return {
            "refId": self.ref_id,
            "datasource": SOURCE,
            "expr": self.expression,
            "legendFormat": self.legend,
            "range": True,
            "instant": False,
            "editorMode": "code",
        }


def rate(counter: str, *, by: str = "") -> str:
    """Per second, over Grafana's interval for rates; `by`: a label that is kept."""
    return f"sum by (instance{', ' + by if by else ''}) (rate({counter}{{{HERE}}}[$__rate_interval]))"


def gauge(name: str) -> str:
    """A value as it is."""
    return f"{name}{{{HERE}}}"


def quantile(histogram: str, share: float) -> str:
    """A quantile (0 to 1) of a histogram."""
    rates = f"sum by (instance, le) (rate({histogram}_bucket{{{HERE}}}[$__rate_interval]))"
    return f"histogram_quantile({share:g}, {rates})"
