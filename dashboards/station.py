"""What *Air station* and *Water station* have in common: one station, its index, each parameter with limits, flags, alerts, comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboards import influxql, panels, scales, shared, words
from dashboards.board import Board
from dashboards.words import LANGUAGES, Text
from devices import loader
from devices.indices.limit_tables import Limit
from devices.parameters import Parameter

WEEK, YEAR = "1w", "52w"
"""Back by whole weeks, so that days of the week are compared with their like."""
_STEP = {"custom.lineInterpolation": "stepAfter", "custom.lineWidth": 2, "custom.fillOpacity": 0}


def variables(board: Board, medium: str, first_station: str, first: str) -> None:
    """Ward, station of this medium, and a parameter for the panels that show one of many; station and parameter to begin with."""
    board.wards()
    board.stations(medium, first=first_station)
    board.parameters([parameter for parameter in loader.catalogue().values() if parameter.medium == medium], first)
    board.annotate_alerts()


def index(board: Board, index: str, title: str, *, beside: str = "", beside_title: str = "") -> None:
    """The index now, over time with its categories as bands, and hour by hour with category, cause, or the reason why there is none."""
    of = board.language
    where = f"""("{index}" >= 0 OR "{index}_why" =~ /./) AND {influxql.SELECTED}"""
    now = influxql.select({title: f'last("{index}")', words.WHY_NOT.of(of): f'last("{index}_why")'}, "index", where=where)
    board.add(
        panels.number(scales.index_steps(index), field=title),
        Text(f"{title} lúc này", f"{title} now"),
        Text(
            f"Từ `index`: {title} của giờ mới nhất trong khoảng thời gian đã chọn, màu theo mức.",
            f"From `index`: {title} of the newest hour in the time range, coloured by category.",
        ),
        influxql.Query(now, table=True),
        width=4,
    )
    columns = {title: f'last("{index}")', words.WHY_NOT.of(of): f'last("{index}_why")'}
    if beside:
        columns[beside_title] = f'last("{beside}")'
    chart = panels.lines(scales.index_steps(index), areas=True, interval="1h", gap_h=2).min(0)
    panels.column(chart, title, more=_STEP, decimals=0)
    compared = f" (+ {beside_title})" if beside else ""
    board.add(
        chart,
        Text(f"{title} theo giờ", f"{title} by hour"),
        Text(
            f"Từ `index`: {title}{compared} của mỗi giờ, nền tô theo mức. Giờ được ghi theo lúc bắt đầu.",
            f"From `index`: {title}{compared} of each hour, over bands of its categories. Hours are stamped with their begin.",
        ),
        influxql.Query(influxql.select(columns, "index", where=where, every="1h"), table=True),
        width=12,
    )
    rows = {
        title: f'"{index}"',
        words.CATEGORY.of(of): f'"{index}_category"',
        words.DOMINANT.of(of): f'"{index}_dominant"',
        words.WHY_NOT.of(of): f'"{index}_why"',
    }
    table = panels.table(sort=words.TIME.of(of))
    panels.transformed(table, panels.arranged({"Time": words.TIME.of(of)}))
    panels.column(table, title, steps=scales.index_steps(index), decimals=0, more=panels.COLOURED)
    panels.column(table, words.CATEGORY.of(of), mappings=scales.category_names(index, of))
    panels.column(table, words.DOMINANT.of(of), mappings=scales.parameter_names(of))
    panels.column(table, words.WHY_NOT.of(of), mappings=scales.reasons(of))
    board.add(
        table,
        Text(f"{title}: mức và nguyên nhân", f"{title}: category and cause"),
        Text(
            "Từ `index`: mỗi giờ một dòng với mức, thông số quyết định, hoặc vì sao chưa tính được; nhiều nhất 200 giờ.",
            "From `index`: a line an hour with category and deciding parameter, or why it could not be computed; at most 200 hours.",
        ),
        influxql.Query(influxql.select(rows, "index", where=where, tail="ORDER BY time DESC LIMIT 200"), table=True),
        width=8,
    )


def parameter(board: Board, parameter: Parameter, limits: Sequence[Limit]) -> None:
    """One parameter: readings of each device, hourly derived means where there are any, lines at its limits."""
    of = board.language
    queries = [influxql.course(parameter, by="device")]
    panel = panels.lines(scales.limit_steps(limits) if limits else ())
    derived = [one for one in loader.derived_table().of(parameter.id, "hour") if one.averaging != "nowcast"]
    if derived:
        queries.append(influxql.Query(influxql.select({one.name[of]: f'last("{one.id}")' for one in derived}, "index", every="1h")))
        for one in derived:
            panels.column(panel, one.name[of], more=_STEP)
    drawn = {language: scales.limit_text(limits, parameter.display, language) for language in LANGUAGES}
    board.add(
        panel,
        words.named(parameter),
        Text(
            f"Từ `{parameter.medium}`: trung bình theo khoảng của biểu đồ, mỗi thiết bị một đường"
            + ("; từ `index`: các trung bình so với giới hạn" if derived else "")
            + f". {words.USABLE.vi}"
            + (f" Đường gạch: {drawn['vi']}." if limits else " Không có giới hạn được công bố."),
            f"From `{parameter.medium}`: means over the chart's interval, a line per device"
            + ("; from `index`: the means that limits are about" if derived else "")
            + f". {words.USABLE.en}"
            + (f" Dashed lines: {drawn['en']}." if limits else " No limit is published for it."),
        ),
        *queries,
        unit=panels.unit(parameter),
    )


def further(board: Board, medium: str) -> None:
    """The parameter chosen at the top: for those that only some stations measure."""
    band = {"mean": 'mean("${parameter}")', "min": 'min("${parameter}_min")', "max": 'max("${parameter}_max")'}
    board.add(
        panels.lines(interval="1h", gap_h=2),
        Text("${parameter:text}: trung bình, nhỏ nhất, lớn nhất", "${parameter:text}: mean, least, largest"),
        Text(
            f"Từ `{medium}_1h`: trung bình, nhỏ nhất và lớn nhất của mỗi giờ, của thông số đã chọn ở đầu trang. {words.USABLE.vi}",
            f"From `{medium}_1h`: mean, least and largest of each hour, of the parameter chosen at the top. {words.USABLE.en}",
        ),
        influxql.Query(influxql.select(band, f"{medium}_1h", by=["device"], every="$__interval"), alias="[[tag_device]] [[col]]"),
    )
    board.add(
        panels.bars(interval="1h", stacked=False),
        Text("${parameter:text}: số giá trị dùng được mỗi giờ", "${parameter:text}: usable values an hour"),
        Text(
            f"Từ `{medium}_1h`: số giá trị dùng được trong mỗi giờ của thông số đã chọn; khoảng trống là thiết bị im lặng hoặc hỏng.",
            f"From `{medium}_1h`: how many usable values each hour had, of the parameter chosen; gaps are a silent or broken device.",
        ),
        influxql.Query(
            influxql.select({"count": 'sum("${parameter}_count")'}, f"{medium}_1h", by=["device"], every="$__interval"),
            alias="[[tag_device]]",
        ),
    )


def flags(board: Board, medium: str, parameters: Sequence[Parameter]) -> None:
    """The worst flag of each parameter over time, as coloured lines."""
    of = board.language
    columns = {words.name(one, of): f'max("{one.id}_qc")' for one in parameters}
    board.add(
        panels.states(scales.flag_names(of)),
        Text("Cờ chất lượng", "Quality flags"),
        Text(
            f"Từ `{medium}`: cờ QARTOD xấu nhất của mỗi thông số trong từng khoảng, mỗi thiết bị một nhóm; thiếu (9) được coi là xấu nhất.",
            f"From `{medium}`: the worst QARTOD flag of each parameter in each interval, by device; missing (9) counts as the worst.",
        ),
        influxql.Query(influxql.select(columns, medium, by=["device"], every="$__interval"), alias="[[tag_device]] [[col]]"),
        width=panels.COLUMNS,
        height=10,
    )


def alerts(board: Board) -> None:
    """What is open here, and what was."""
    shared.open_alerts(board, width=10)
    shared.alert_history(board, Text("Cảnh báo của trạm", "Alerts of the station"), width=14)


def comparison(board: Board, medium: str) -> None:
    """The parameter chosen at the top: now, the week before, the year before, side by side."""
    for title, shift in (
        (Text("${parameter:text}: khoảng này", "${parameter:text}: this period"), ""),
        (Text("${parameter:text}: một tuần trước", "${parameter:text}: a week before"), WEEK),
        (Text("${parameter:text}: một năm trước", "${parameter:text}: a year before"), YEAR),
    ):
        board.add(
            panels.lines(interval="1h", gap_h=2),
            title,
            Text(
                f"Từ `{medium}_1h`: trung bình giờ của thông số đã chọn trong cùng khoảng thời gian, lùi lại theo tiêu đề (năm = 52 tuần).",
                f"From `{medium}_1h`: hourly means of the chosen parameter, same span, moved back as the title says (a year: 52 weeks).",
            ),
            influxql.Query(
                influxql.select({"mean": 'mean("${parameter}")'}, f"{medium}_1h", by=["device"], every="$__interval"),
                alias="[[tag_device]]",
            ),
            width=8,
            shift=shift,
        )


def by_hour(board: Board, title: Text, medium: str, parameters: Sequence[Parameter]) -> None:
    """A table: a line an hour and device, a column a parameter."""
    of = board.language
    columns = {words.label(one, of): f'"{one.id}"' for one in parameters}
    panel = panels.table(sort=words.TIME.of(of))
    panels.transformed(panel, panels.arranged({"Time": words.TIME.of(of), "device": words.DEVICE.of(of)}))
    for one in parameters:
        panels.column(panel, words.label(one, of), decimals=1)
    board.add(
        panel,
        title,
        Text(
            f"Từ `{medium}_1h`: trung bình giờ (mưa: tổng của giờ), mỗi giờ và thiết bị một dòng. {words.USABLE.vi}",
            f"From `{medium}_1h`: hourly means (rain: the hour's sum), a line an hour and device. {words.USABLE.en}",
        ),
        influxql.Query(influxql.select(columns, f"{medium}_1h", by=["device"], tail="ORDER BY time DESC LIMIT 200"), table=True),
        width=panels.COLUMNS,
        height=10,
    )


def limits_table(board: Board, standards: Sequence[str]) -> None:
    """Every limit of these standards, as text."""
    of = board.language
    catalogue = loader.catalogue()
    lines: list[str] = []
    for standard in standards:
        level = loader.limits().default_class(standard) if standard.startswith("who") else None  # not the interim targets
        # (Lead in air is limited in µg/m³; the catalogue's lead is that of water.)
        known = [one for one in loader.limits() if one.parameter in catalogue and one.unit == catalogue[one.parameter].unit]
        mine = [one for one in known if one.standard == standard and one.effective_to is None]
        mine = [one for one in mine if level in (None, one.class_)]
        head = Text("| Thông số | Giới hạn |", "| Parameter | Limit |").of(of)
        lines += [f"**{mine[0].standard_name}** — {mine[0].source}", "", head, "| --- | --- |"]
        for name in dict.fromkeys(one.parameter for one in mine):
            entry = catalogue[name]
            text = scales.limit_text([one for one in mine if one.parameter == name], entry.display, of).partition(": ")[2]
            lines.append(f"| {words.name(entry, of)} | {text} |")
        lines.append("")
    panel: Any = panels.prose("\n".join(lines))
    board.add(
        panel,
        Text("Giới hạn", "Limits"),
        Text(
            "Từ bảng giới hạn của gateway (devices/indices/limits), bản mới nhất, với nguồn và mức kiểm chứng.",
            "From the gateway's tables of limits (devices/indices/limits), newest edition, with source and state of verification.",
        ),
        width=panels.COLUMNS,
        height=12,
    )
