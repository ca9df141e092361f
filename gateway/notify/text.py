"""The text of an alert for people, in Vietnamese, English or both.

Every text answers: what, how bad, where, since when, how much against which limit, what to do. Nothing that comes
from outside (names, ids, values) is ever used as a format string.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.outcomes import Transition
from gateway.notify.describe import Describer, clean, pick

DRILL = "DIỄN TẬP / EXERCISE"

_SEVERITY = {
    "vi": {"info": "THÔNG TIN", "warning": "CẢNH BÁO", "critical": "KHẨN CẤP"},
    "en": {"info": "INFO", "warning": "WARNING", "critical": "CRITICAL"},
}
_BUILT_IN = {
    "device-silent": {"vi": "Thiết bị mất tín hiệu", "en": "Device gone quiet"},
    "never-spoke": {"vi": "Trạm chưa từng gửi dữ liệu", "en": "Station has never reported"},
    "clock-fault": {"vi": "Đồng hồ thiết bị chạy sai", "en": "Device clock is wrong"},
}
_RESOLVED = {
    "vi": {
        "cleared": "giá trị đã trở lại dưới mức kết thúc cảnh báo",
        "spoke": "thiết bị đã gửi dữ liệu trở lại",
        "data-returned": "dữ liệu đã có trở lại",
        "rule-changed": "quy tắc cảnh báo đã thay đổi",
        "decommissioned": "thiết bị đã ngừng sử dụng",
        "clock-mended": "đồng hồ thiết bị đã đúng trở lại",
        "closed": "người vận hành đã đóng cảnh báo",
        "upgraded": "phần mềm đã được nâng cấp",
        "late-data": "số liệu đến muộn cho thấy cảnh báo đã hết",
        "calmed": "cảnh báo bật tắt liên tục nay đã ổn định và đã hết",
        "flapping": "cảnh báo bật tắt liên tục; sẽ báo lại khi ổn định",
        "link-up": "đã kết nối lại với broker",
        "caught-up": "đã ghi kịp trở lại",
    },
    "en": {
        "cleared": "the value is back beyond the clear level",
        "spoke": "the device is reporting again",
        "data-returned": "data are back",
        "rule-changed": "the alert rule was changed",
        "decommissioned": "the device was taken out of service",
        "clock-mended": "the device's clock is right again",
        "closed": "an operator closed the alert",
        "upgraded": "the software was upgraded",
        "late-data": "late readings show that it is over",
        "calmed": "it went on and off again and again, and has calmed down now",
        "flapping": "it goes on and off again and again; you will be told when it has calmed down",
        "link-up": "the broker is connected again",
        "caught-up": "it has caught up",
    },
}
_WORDS = {
    "vi": {
        "stopped": "MẤT DỮ LIỆU",
        "doubted": "SỐ LIỆU KHÔNG ĐÁNG TIN",
        "over": "ĐÃ HẾT",
        "unknown": "Dữ liệu đã ngừng; trạng thái biết được cuối cùng: đang cảnh báo. Chưa thể coi là an toàn.",
        "none believed": "Số liệu vẫn đến nhưng không thể tin được số nào; trạng thái biết được cuối cùng: đang cảnh báo. "
        "Chưa thể coi là an toàn.",
        "resolved": "Cảnh báo đã kết thúc",
        "last": "Giá trị cuối cùng",
        "limit": "ngưỡng",
        "no value": "không có giá trị",
        "flapping": "Bật tắt liên tục: sẽ chỉ báo lại khi ổn định.",
        "station": "Trạm",
        "members": "Gồm",
        "device": "Thiết bị",
        "area": "khu vực",
        "time": "Lúc",
        "since": "bắt đầu từ",
        "advice": "Khuyến cáo",
        "drill": "đây là tin diễn tập, không phải sự cố thật.",
    },
    "en": {
        "stopped": "DATA STOPPED",
        "doubted": "DATA DOUBTED",
        "over": "RESOLVED",
        "unknown": "Data stopped, last known firing. This is not an all-clear.",
        "none believed": "Readings come, but none can be believed; last known firing. This is not an all-clear.",
        "resolved": "The alert is over",
        "last": "Last value",
        "limit": "limit",
        "no value": "no value",
        "flapping": "It goes on and off again and again: you will be told when it has calmed down.",
        "station": "Station",
        "members": "Members",
        "device": "Device",
        "area": "area",
        "time": "At",
        "since": "since",
        "advice": "Advice",
        "drill": "this is a drill, nothing has happened.",
    },
}


MEMBERS = 20
"""So many members of a group are named."""


class Text(NamedTuple):
    """One line for a subject, and the lines below it."""

    title: str
    body: str


def render(transition: Transition, describer: Describer, language: str) -> Text:
    """Title and body of a transition; `language` is `vi`, `en` or `both` (Vietnamese first)."""
    if language == "both":
        return both(render(transition, describer, "vi"), render(transition, describer, "en"))
    return Text(_title(transition, describer, language), "\n".join(_body(transition, describer, language)))


def both(vietnamese: Text, english: Text) -> Text:
    """Two texts of one transition as one; the mark of a drill stands once in the title."""
    return Text(f"{vietnamese.title} / {english.title.removeprefix(f'[{DRILL}] ')}", f"{vietnamese.body}\n\n{english.body}")


def name_of(transition: Transition, language: str) -> str:
    """What the alert is called: the rule's configured name, else the built-in one, else the rule's id."""
    built_in = _BUILT_IN.get(transition.kind, {})
    return pick(transition.names, language) or built_in.get(language, "") or clean(transition.rule)


def number(value: float, language: str) -> str:
    """A value for people: at most two decimals (three significant digits below 0.1), decimal comma in Vietnamese."""
    text = f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.1 or value == 0 else f"{value:.3g}"
    text = "0" if text == "-0" else text
    return text.replace(".", ",") if language == "vi" else text


def _title(transition: Transition, describer: Describer, language: str) -> str:
    words = _WORDS[language]
    severity = _SEVERITY[language].get(transition.severity, clean(transition.severity).upper())
    stopped = words["doubted" if transition.reason == "data-doubted" else "stopped"]
    mark = {"unknown": f"{severity}, {stopped}", "resolved": words["over"]}.get(transition.state, severity)
    drill = f"[{DRILL}] " if transition.mode == "exercise" else ""
    return f"{drill}[{mark}] {name_of(transition, language)}{_place(transition, describer, language)}"


def _place(transition: Transition, describer: Describer, language: str) -> str:
    """Where, for a title: the station, else the area; nothing for what is everywhere."""
    if transition.station or not transition.area:
        return f" – {describer.station(transition.station, language)}" if transition.station or transition.device else ""
    return f" – {describer.area(transition.area, language)}"


def _body(transition: Transition, describer: Describer, language: str) -> list[str]:
    words = _WORDS[language]
    lines = []
    if transition.mode == "exercise":
        lines.append(f"{DRILL}: {words['drill']}")
    if transition.state == "unknown":
        lines.append(words["none believed" if transition.reason == "data-doubted" else "unknown"])
    elif transition.state == "resolved":
        why = _RESOLVED[language].get(transition.reason, clean(transition.reason))
        lines.append(f"{words['resolved']}: {why}.")
    if transition.parameter:
        lines.append(_measured(transition, describer, language))
    if transition.reason == "flapping" and transition.state != "resolved":
        lines.append(words["flapping"])
    where = _where(transition, describer, language)
    if where:
        lines.append(where)
    lines.append(f"{words['time']} {_when(transition.event_ms, describer)}, {words['since']} {_when(transition.started_ms, describer)}.")
    advice = pick(transition.advice, language)
    if advice and transition.state != "resolved":
        lines.append(f"{words['advice']}: {advice}")
    return lines


def _measured(transition: Transition, describer: Describer, language: str) -> str:
    words = _WORDS[language]
    name = describer.parameter(transition.parameter, language)
    unit = describer.unit(transition.parameter, transition.unit)
    label = f"{words['last']}, {name}" if transition.state == "unknown" else name
    value = words["no value"] if transition.value is None else f"{number(transition.value, language)} {unit}".rstrip()
    if transition.limit is None:
        return f"{label}: {value}."
    return f"{label}: {value} ({words['limit']} {number(transition.limit, language)} {unit}".rstrip() + ")."


def _where(transition: Transition, describer: Describer, language: str) -> str:
    words = _WORDS[language]
    if not transition.station and not transition.device:
        area = f"{words['area'].capitalize()} {describer.area(transition.area, language)}" if transition.area else ""
        names = [describer.station(name, language) for name in transition.members[:MEMBERS]]
        more = f" … ({len(transition.members)})" if len(transition.members) > MEMBERS else ""
        members = f"{words['members']}: {', '.join(names)}{more}" if names else ""
        return ". ".join(part for part in (area, members) if part) + ("." if area or members else "")
    text = f"{words['station']}: {describer.station(transition.station, language)}"
    if transition.area:
        text += f", {words['area']} {describer.area(transition.area, language)}"
    if transition.device:
        text += f". {words['device']}: {clean(transition.device)}"
    return text + "."


def _when(time_ms: int, describer: Describer) -> str:
    """Local time with its offset, day first as both audiences write it: `14:05 23/11/2026 (UTC+07:00)`."""
    local = describer.local(time_ms)
    offset = local.strftime("%z")
    return f"{local:%H:%M %d/%m/%Y} (UTC{offset[:3]}:{offset[3:5]})"
