"""The alerts that need no rule file: a device gone quiet, a station that never spoke, a clock that is wrong
or was stepped, a whole area gone quiet, a broker lost, a history or receiver that takes nothing.

They are about the sensors and the gateway, not the environment, and exist so that silence is never taken for "all clear" (invariant 5).
"""

from __future__ import annotations

from typing import NamedTuple


class Builtin(NamedTuple):
    """A built-in alert: its rule id (also its kind), severity and texts."""

    id: str
    severity: str
    names: dict[str, str]
    advice: dict[str, str]


DEVICE_SILENT = Builtin(
    "device-silent",
    "warning",
    {"vi": "Thiết bị ngừng gửi số liệu", "en": "Device gone quiet"},
    {
        "vi": "Kiểm tra nguồn điện, kết nối mạng và vị trí của thiết bị. Các cảnh báo đang mở của trạm vẫn giữ nguyên.",
        "en": "Check the device's power, network and place. Alerts that are open at its station stay open.",
    },
)

NEVER_SPOKE = Builtin(
    "never-spoke",
    "warning",
    {"vi": "Trạm chưa từng gửi số liệu", "en": "Station never spoke"},
    {
        "vi": "Trạm đã đăng ký nhưng chưa có số đo nào: kiểm tra lắp đặt, mã thiết bị và chủ đề MQTT trong danh mục trạm.",
        "en": "The station is registered but no reading ever came: check installation, device id and MQTT topics in the registry.",
    },
)

CLOCK_FAULT = Builtin(
    "clock-fault",
    "info",
    {"vi": "Đồng hồ thiết bị sai", "en": "Device clock is wrong"},
    {
        "vi": "Đặt lại đồng hồ hoặc múi giờ của thiết bị. Trong khi chờ, cảnh báo dùng thời điểm nhận.",
        "en": "Set the device's clock or time zone. Until then its alerts go by the time of receipt.",
    },
)

CLOCK_JUMP = Builtin(
    "clock-jump",
    "info",
    {"vi": "Đồng hồ của gateway bị chỉnh", "en": "The gateway's clock was stepped"},
    {
        "vi": "Kiểm tra đồng bộ thời gian (NTP) của máy chủ. Các bộ đếm thời gian đã được dời theo.",
        "en": "Check the machine's time synchronisation (NTP). Pending timers were moved along.",
    },
)

AREA_SILENT = Builtin(
    "area-silent",
    "critical",
    {"vi": "Cả khu vực ngừng gửi số liệu", "en": "A whole area gone quiet"},
    {
        "vi": "Kiểm tra mất điện, mạng di động hoặc trạm thu phát của khu vực. Các cảnh báo đang mở vẫn giữ nguyên.",
        "en": "Look for a power cut, or trouble of the mobile network or the gateway antenna there. Alerts that are open stay open.",
    },
)

BROKER_LOST = Builtin(
    "broker-lost",
    "critical",
    {"vi": "Mất kết nối với broker", "en": "Broker lost"},
    {
        "vi": "Kiểm tra broker và đường mạng tới nó. Trong khi chờ, không thiết bị nào bị coi là ngừng gửi.",
        "en": "Check the broker and the network to it. Meanwhile no device counts as gone quiet.",
    },
)

GATEWAY_BACKLOG = Builtin(
    "gateway-backlog",
    "warning",
    {"vi": "Số liệu chờ ghi quá lâu", "en": "Gateway backlog"},
    {
        "vi": "Kiểm tra cơ sở dữ liệu hoặc kênh nhận này (`envgw doctor`). Không mất số liệu: tất cả nằm trong sổ cái và sẽ được ghi sau.",
        "en": "Check that history or receiver (`envgw doctor`). Nothing is lost: all of it is in the ledger, and is delivered later.",
    },
)

POSSIBLE_EVENT = Builtin(
    "possible-event",
    "info",
    {"vi": "Số liệu bất thường kéo dài: có thể là sự cố thật", "en": "Readings doubted for 15 minutes: a possible event"},
    {
        "vi": "Xem chuỗi số liệu và các trạm lân cận: nếu là sự cố thật thì xử lý theo quy trình, nếu không thì kiểm tra cảm biến.",
        "en": "Look at the series and at the stations nearby: act if the event is real, else check the sensor.",
    },
)

_ALL = (DEVICE_SILENT, NEVER_SPOKE, CLOCK_FAULT, CLOCK_JUMP, AREA_SILENT, BROKER_LOST, GATEWAY_BACKLOG, POSSIBLE_EVENT)

BUILTINS = {builtin.id: builtin for builtin in _ALL}
"""All of them by id; rule files may not use these ids."""

SILENT_AFTER_INTERVALS = 3
"""A device is overdue after this many of its reporting intervals (semantics E1's default)."""

NEVER_SPOKE_AFTER_MS = 10 * 60_000
"""A newly registered device gets at least this long (and three intervals) before it counts as never having spoken."""
