"""Why an index has no value, and what must be known of one that has: two closed lists, in both languages.

An index that is not there says why, always: a gap without a reason looks like clean air (invariant 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

Text = Mapping[Literal["vi", "en"], str]
"""The same sentence in both languages."""


class Why(StrEnum):
    """Why an index or a sub-index has no value. The value is what users see and script against."""

    NOTHING_MEASURED = "nothing-measured"
    NO_PM = "no-pm"
    NOWCAST_HOURS = "nowcast-hours"
    HOUR_MISSING = "hour-missing"
    TOO_FEW_HOURS = "too-few-hours"
    NEGATIVE = "negative"
    NOT_A_NUMBER = "not-a-number"
    ABOVE_ROW = "above-row"
    NO_TEMPERATURE = "no-temperature"
    TOO_FEW_GROUPS = "too-few-groups"
    TOO_FEW_NUTRIENTS = "too-few-nutrients"

    @property
    def text(self) -> Text:
        """The reason as a sentence."""
        return _WHY[self]


class Note(StrEnum):
    """What the reader of an index must know."""

    TO_VERIFY = "to-verify"
    NOT_IN_FORCE = "not-in-force"
    BEYOND = "beyond"
    OZONE_NOT_AIRNOW = "ozone-not-airnow"
    FIXED_AT_ROW_END = "fixed-at-row-end"
    AGGREGATION_OPEN = "aggregation-open"
    FEWER_GROUPS = "fewer-groups"
    SATURATION_MEASURED = "saturation-measured"

    @property
    def text(self) -> Text:
        """The note as a sentence."""
        return _NOTE[self]


_WHY: Mapping[Why, Text] = {
    Why.NOTHING_MEASURED: {
        "vi": "Không có thông số nào của chỉ số này được đo.",
        "en": "None of the parameters of this index is measured.",
    },
    Why.NO_PM: {
        "vi": "Không có PM2,5 hoặc PM10: VN_AQI cần ít nhất một trong hai.",
        "en": "Neither PM2.5 nor PM10: VN_AQI needs at least one of them.",
    },
    Why.NOWCAST_HOURS: {
        "vi": "Chưa đủ giờ cho NowCast: cần ít nhất 2 trong 3 giờ gần nhất.",
        "en": "Too few hours for the NowCast: at least 2 of the last 3 are needed.",
    },
    Why.HOUR_MISSING: {
        "vi": "Không có trung bình hợp lệ của giờ này.",
        "en": "There is no valid mean of this hour.",
    },
    Why.TOO_FEW_HOURS: {
        "vi": "Chưa đủ 75 % số giờ (6 trong 8, 18 trong 24).",
        "en": "Fewer than 75 % of the hours (6 of 8, 18 of 24).",
    },
    Why.NEGATIVE: {
        "vi": "Giá trị âm: thiết bị đo dưới điểm không.",
        "en": "A negative value: the instrument reads below its zero.",
    },
    Why.NOT_A_NUMBER: {
        "vi": "Giá trị không phải là số dùng được.",
        "en": "The value is no usable number.",
    },
    Why.ABOVE_ROW: {
        "vi": "Cao hơn dòng của bảng cho khoảng trung bình này; chỉ trung bình 1 giờ được tính.",
        "en": "Above what the table's row for this averaging time covers; only the 1-hour mean counts.",
    },
    Why.NO_TEMPERATURE: {
        "vi": "Thiếu nhiệt độ nước từ 0 đến 50 °C: không tính được độ bão hòa ôxy.",
        "en": "No water temperature between 0 and 50 °C: oxygen saturation cannot be computed.",
    },
    Why.TOO_FEW_GROUPS: {
        "vi": "Chưa đủ số nhóm thông số mà VN_WQI yêu cầu.",
        "en": "Fewer groups of parameters than VN_WQI asks for.",
    },
    Why.TOO_FEW_NUTRIENTS: {
        "vi": "Nhóm IV (hữu cơ và dinh dưỡng) bắt buộc phải có ít nhất 3 thông số.",
        "en": "Group IV (organics and nutrients) is mandatory, with at least 3 parameters.",
    },
}

_NOTE: Mapping[Note, Text] = {
    Note.TO_VERIFY: {
        "vi": "Tính từ bảng chưa được đối chiếu với văn bản chính thức.",
        "en": "Computed from a table that has not been checked against the official text.",
    },
    Note.NOT_IN_FORCE: {
        "vi": "Bảng này không có hiệu lực vào ngày đó.",
        "en": "This table was not in force on that date.",
    },
    Note.BEYOND: {
        "vi": "Vượt thang chỉ số; báo cáo là 500.",
        "en": "Beyond the index; reported as 500.",
    },
    Note.OZONE_NOT_AIRNOW: {
        "vi": "Ôzôn theo trung bình 8 giờ đã qua; AirNow dự báo bằng phương pháp khác.",
        "en": "Ozone by the mean of the last 8 hours; AirNow estimates it by another method.",
    },
    Note.FIXED_AT_ROW_END: {
        "vi": "SO2: trung bình 1 giờ vượt dòng của bảng; chỉ trung bình 24 giờ mới cho chỉ số trên 200.",
        "en": "SO2: the 1-hour mean is above its row; only a 24-hour mean gives an index above 200.",
    },
    Note.AGGREGATION_OPEN: {
        "vi": "Công thức tổng hợp VN_WQI có hai dạng đang lưu hành; chưa đối chiếu với toàn văn Quyết định 1460.",
        "en": "Two forms of the VN_WQI aggregation circulate; not yet checked against the full text of Decision 1460.",
    },
    Note.FEWER_GROUPS: {
        "vi": "Tính với ít nhóm thông số hơn mức 3 trong 5 nhóm.",
        "en": "Computed from fewer groups of parameters than 3 of 5.",
    },
    Note.SATURATION_MEASURED: {
        "vi": "Dùng độ bão hòa ôxy do thiết bị đo, không tính từ DO và nhiệt độ.",
        "en": "Uses the oxygen saturation that the probe gives, not one computed from DO and temperature.",
    },
}
