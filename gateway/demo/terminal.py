"""The page that `envgw demo` shows in a terminal: a pure picture of plain data.

    render(view)             the whole page, for rich.live.Live; fits itself into the terminal's width and height
    lines(view, before)      what is new since `before`, as plain lines, where there is no terminal
    summary(view)            the last words of an unattended run

Texts are Vietnamese first, then English. Nothing here asks for the time or for a setting: the caller fills a `DemoView`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

_LOCAL = timedelta(hours=7)
_WIDE = 128
"""From this width on the English station name has a column of its own."""

# What fits on one line, per medium: parameter, heading, decimals.
_COLUMNS: dict[str, tuple[tuple[str, str, int], ...]] = {
    "air": (
        ("vn_aqi", "VN_AQI\ngiờ", 0),
        ("pm25", "PM2,5\nµg/m³", 1),
        ("pm10", "PM10\nµg/m³", 1),
        ("no2", "NO₂\nµg/m³", 1),
        ("o3", "O₃\nµg/m³", 1),
        ("co", "CO\nµg/m³", 0),
        ("air_temp", "Nhiệt độ\n°C", 1),
        ("rh", "Độ ẩm\n%", 0),
    ),
    "water": (
        ("level", "Mức\nm", 2),
        ("ec", "EC\nµS/cm", 0),
        ("do", "DO\nmg/L", 1),
        ("ph", "pH\n", 2),
        ("turbidity", "Độ đục\nNTU", 1),
        ("water_temp", "Nhiệt độ\n°C", 1),
    ),
}
_TITLES = {"air": "Không khí · Air", "water": "Nước · Water"}
_SEVERITY = {"critical": "bold white on red", "warning": "bold black on yellow", "info": "bold white on blue"}
_HEALTH = {"green": ("bold green", "tốt · ok"), "yellow": ("bold yellow", "chú ý · look"), "red": ("bold red", "hỏng · broken")}
_STATES = {"firing": "đang báo · firing", "unknown": "mất số liệu · data stopped", "resolved": "đã hết · over"}


@dataclass(frozen=True, slots=True)
class ValueView:
    """A newest value in its canonical unit, with its flag. None: missing."""

    value: float | None
    flag: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StationView:
    """One station's newest values by parameter. `time_ms` is the newest event time; None: never spoke."""

    id: str
    name_vi: str
    name_en: str
    medium: str
    values: Mapping[str, ValueView] = field(default_factory=dict)
    time_ms: int | None = None
    severity: str | None = None
    """Highest severity firing at this station."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One open episode."""

    episode: str
    name_vi: str
    name_en: str
    station_vi: str
    severity: str
    state: str
    since_ms: int
    value: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryView:
    """One message to a receiver: delivered, or why not (yet)."""

    time_ms: int
    receiver: str
    text: str
    ok: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoView:
    """All that the page shows."""

    now_ms: int
    speed: float
    real_seconds: float
    city: str = "Đà Nẵng"
    stations: Sequence[StationView] = ()
    alerts: Sequence[AlertView] = ()
    deliveries: Sequence[DeliveryView] = ()
    """Oldest first."""
    received: int = 0
    stored: int = 0
    rejected: int = 0
    duplicate: int = 0
    shed: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    pending: Mapping[str, int] = field(default_factory=dict)
    """Lane → messages waiting."""
    health: str = "green"
    reasons: Sequence[str] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    """What → where: API, metrics, ledger, history, broker."""
    raised: int = 0
    """Episodes begun since the demo started."""
    resolved: int = 0
    delivered: int = 0
    """Messages that receivers have taken."""


def render(view: DemoView) -> RenderableType:
    """The page. It takes the size of the console it is printed on."""
    return _Page(view)


class _Page:
    def __init__(self, view: DemoView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        view = self._view
        height = options.height or console.height or 30
        wide = options.max_width >= _WIDE
        media = [medium for medium in _COLUMNS if any(station.medium == medium for station in view.stations)]
        tables: list[RenderableType] = [_stations(view, medium, wide) for medium in media]
        # Head 1, foot 4, two lines of heading for each table, one line spare: the rest is for alerts and deliveries.
        left = height - 6 - len(view.stations) - 2 * len(media)
        below = _side_by_side(view, max(3, left)) if wide else _stacked(view, max(4, left))
        yield Group(_head(view), *tables, below, _foot(view))


def _clock(time_ms: int) -> str:
    return (datetime.fromtimestamp(time_ms / 1000, UTC) + _LOCAL).strftime("%d/%m %H:%M")


def _head(view: DemoView) -> RenderableType:
    style, word = _HEALTH.get(view.health, _HEALTH["red"])
    left = Text.assemble(("envgw ", "bold cyan"), (view.city, "bold"), f"  {_clock(view.now_ms)}", (f" (×{view.speed:g})", "dim"))
    right = Text.assemble(("● ", style), (word, style))
    if view.reasons:
        right.append(f"  {view.reasons[0]}", style)
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_row(left, right)
    return grid


def _stations(view: DemoView, medium: str, wide: bool) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    table.add_column(Text(f"\n{_TITLES[medium]}", style="bold cyan"), no_wrap=True, overflow="ellipsis", ratio=3)
    if wide:
        table.add_column("\n", no_wrap=True, overflow="ellipsis", ratio=3, style="dim")
    for _, heading, _ in _COLUMNS[medium]:
        table.add_column(heading, justify="right", no_wrap=True, width=10 if wide else 8)
    table.add_column("Tuổi\nage", justify="right", no_wrap=True, width=7)
    for station in view.stations:
        if station.medium != medium:
            continue
        name = Text(station.name_vi, style=_SEVERITY.get(station.severity or "", ""))
        cells: list[RenderableType] = [name]
        if wide:
            cells.append(Text(station.name_en))
        cells += [_value(station.values.get(parameter), decimals) for parameter, _, decimals in _COLUMNS[medium]]
        cells.append(_age(view.now_ms, station.time_ms))
        table.add_row(*cells)
    return table


def _value(view: ValueView | None, decimals: int) -> Text:
    """A value and, unless it is good, its flag: 2 not evaluated, 3 suspect, 4 fail, 9 missing."""
    if view is None:
        return Text("·", style="dim")
    if view.value is None:
        return Text.assemble(("– ", "dim"), ("9", "black on bright_black"))
    number = f"{view.value:.{decimals}f}"
    if view.flag == 1:
        return Text(number)
    if view.flag == 2:
        return Text(number, style="dim")
    style, mark = ("yellow", "black on yellow") if view.flag == 3 else ("red strike", "white on red")
    return Text.assemble((number, style), " ", (str(view.flag), mark))


def _age(now_ms: int, time_ms: int | None) -> Text:
    if time_ms is None:
        return Text("chưa có", style="yellow")
    seconds = max(0, now_ms - time_ms) // 1000
    if seconds < 120:
        return Text(f"{seconds} s", style="dim")
    if seconds < 7200:
        return Text(f"{seconds // 60} min", style="" if seconds < 900 else "yellow")
    return Text(f"{seconds // 3600} h", style="yellow")


def _headings(view: DemoView) -> tuple[Text, Text]:
    return (
        Text(f"Cảnh báo đang mở · Open alerts ({len(view.alerts)})", style="bold cyan"),
        Text(f"Đã gửi · Delivered ({view.delivered})", style="bold cyan"),
    )


def _side_by_side(view: DemoView, rows: int) -> RenderableType:
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for ratio in (5, 4):
        grid.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
    grid.add_row(*_headings(view))
    alerts, deliveries = list(_alert_lines(view, rows - 1)), list(_delivery_lines(view, rows - 1))
    for number in range(rows - 1):
        left = alerts[number] if number < len(alerts) else Text("")
        right = deliveries[number] if number < len(deliveries) else Text("")
        grid.add_row(left, right)
    return grid


def _stacked(view: DemoView, rows: int) -> RenderableType:
    alert_rows = max(1, (rows - 2 + 1) // 2)
    delivery_rows = max(1, rows - 2 - alert_rows)
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for heading, entries, room in zip(
        _headings(view), (_alert_lines(view, alert_rows), _delivery_lines(view, delivery_rows)), (alert_rows, delivery_rows), strict=True
    ):
        shown = list(entries)
        for line in [heading, *shown, *[Text("")] * (room - len(shown))]:
            grid.add_row(line)
    return grid


def _alert_lines(view: DemoView, rows: int) -> Iterator[Text]:
    if not view.alerts:
        yield Text("không có · none", style="dim")
        return
    shown = view.alerts if len(view.alerts) <= rows else view.alerts[: max(0, rows - 1)]
    for alert in shown:
        reading = "" if alert.value is None else f" {alert.value:.4g} {alert.unit}"
        yield Text.assemble(
            (f" {alert.severity[:4].upper()} ", _SEVERITY.get(alert.severity, "")),
            (f" {_clock(alert.since_ms)[6:]}", "dim"),
            f" {alert.station_vi}: {alert.name_vi} · {alert.name_en}{reading}",
            (f"  {_STATES.get(alert.state, alert.state)}", "dim") if alert.state != "firing" else "",
        )
    if len(shown) < len(view.alerts):
        yield Text(f"… +{len(view.alerts) - len(shown)}", style="dim")


def _delivery_lines(view: DemoView, rows: int) -> Iterator[Text]:
    if not view.deliveries:
        yield Text("chưa có · none yet", style="dim")
        return
    for item in list(view.deliveries)[-rows:][::-1]:
        mark = ("✓ ", "green") if item.ok else ("… ", "yellow")
        yield Text.assemble(mark, (f"{_clock(item.time_ms)[6:]} ", "dim"), (f"{item.receiver} ", "bold"), item.text)


def _foot(view: DemoView) -> RenderableType:
    reasons = ", ".join(f"{name} {number}" for name, number in sorted(view.rejected_by_reason.items(), key=lambda item: -item[1]))
    waiting = sum(view.pending.values())
    balanced = view.received == view.stored + view.rejected + view.duplicate + view.shed
    account = Text.assemble(
        ("received ", "dim"),
        (f"{view.received:,}", "bold"),
        (" = " if balanced else " ≠ ", "bold" if balanced else "bold red"),
        ("stored ", "dim"),
        (f"{view.stored:,}", "bold green"),
        (" + rejected ", "dim"),
        (f"{view.rejected:,}", "bold yellow" if view.rejected else "bold"),
        (" + duplicate ", "dim"),
        (f"{view.duplicate:,}", "bold"),
        (" + shed ", "dim"),
        (f"{view.shed:,}", "bold red" if view.shed else "bold"),
        (f"   chờ ghi · waiting {waiting:,}", "dim"),
        overflow="ellipsis",
        no_wrap=True,
    )
    why = Text(f"từ chối · rejected: {reasons}" if reasons else "", style="yellow", overflow="ellipsis", no_wrap=True)
    places = Text("   ".join(f"{name} {place}" for name, place in view.places.items()), style="dim", overflow="ellipsis", no_wrap=True)
    leave = Text("Ctrl-C: dừng · stop", style="dim", no_wrap=True)
    return Group(account, why, places, leave)


def lines(view: DemoView, before: DemoView | None) -> list[str]:
    """What happened since `before`, one plain line each: new and ended alerts, deliveries, health; then the account."""
    news = []
    known = {alert.episode: alert for alert in before.alerts} if before else {}
    for alert in view.alerts:
        if alert.episode not in known or known[alert.episode].severity != alert.severity:
            reading = "" if alert.value is None else f" ({alert.value:.4g} {alert.unit})"
            news.append(f"{alert.severity}: {alert.station_vi}: {alert.name_vi} / {alert.name_en}{reading}")
    still_open = {alert.episode for alert in view.alerts}
    news += [f"over: {alert.station_vi}: {alert.name_vi} / {alert.name_en}" for key, alert in known.items() if key not in still_open]
    seen = set(before.deliveries) if before else set()
    news += [f"{item.receiver} {'took' if item.ok else 'has not taken'}: {item.text}" for item in view.deliveries if item not in seen]
    if view.health != (before.health if before else "green"):
        news.append(f"health {view.health}: {'; '.join(view.reasons) or 'all well again'}")
    return [f"{_clock(view.now_ms)} {text}" for text in [*news, account(view)]]


def account(view: DemoView) -> str:
    """The accounting line (invariant 2)."""
    return (
        f"received {view.received} = stored {view.stored} + rejected {view.rejected} + duplicate {view.duplicate} + shed {view.shed}"
        f", {len(view.alerts)} open alerts"
    )


def summary(view: DemoView) -> str:
    """What an unattended demo says at its end."""
    spoke = [station for station in view.stations if station.time_ms is not None]
    flagged = sum(1 for station in view.stations for value in station.values.values() if value.flag in (3, 4))
    reasons = ", ".join(f"{name} {number}" for name, number in sorted(view.rejected_by_reason.items(), key=lambda item: -item[1]))
    text = [
        f"envgw demo: {view.real_seconds:.0f} s, {_clock(view.now_ms)} (×{view.speed:g}), health {view.health}",
        f"  stations   {len(spoke)} of {len(view.stations)} spoke; {flagged} newest values flagged suspect or fail",
        f"  messages   {account(view)}",
        f"  rejected   {reasons or 'none'}",
        f"  alerts     {view.raised} raised, {view.resolved} over, {len(view.alerts)} open; {view.delivered} messages delivered",
    ]
    text += [f"  {name:<10} {place}" for name, place in view.places.items()]
    return "\n".join(text)
