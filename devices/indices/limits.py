"""The limits of the law and of WHO, dated: QCVN 05, 08 and 10:2023, WHO 2021.

Rules, dashboards and reports ask here. A value exceeds a limit when it is greater, never when it is equal.
"""

from __future__ import annotations

from datetime import date

from devices.indices.limit_tables import SAMPLE, Limit, NoLimit
from devices.loader import limits

__all__ = ["SAMPLE", "Limit", "NoLimit", "limit"]


def limit(parameter: str, averaging: str, at: date, *, standard: str | None = None, class_: str | None = None) -> Limit:
    """The limit for `parameter` over `averaging` (`1h`, `8h`, `24h`, `1y`; `sample` in water) that holds on `at`.

    Without `standard` (`qcvn-05-2023`, `QCVN 05:2023/BTNMT`, `who-2021` …): ambient air by QCVN 05:2023, surface water by QCVN 08:2023.
    `class_`: of surface water `health` (the default), `A` … `D`, `lake-A`, `lake-B`; of sea water `health`, `aquaculture`, `bathing`;
    of WHO `AQG` (the default), `IT-1` … `IT-4`. Raises NoLimit, whose text says what there is.
    """
    return limits().find(parameter, averaging, at, standard=standard, class_=class_)
