"""The gateway between a city's sensors and the people who must act on them."""

import sys

if "structlog" not in sys.modules and "rich" not in sys.modules:
    # structlog imports rich (and with it pygments, attrs …) for coloured tracebacks, which we do not use: 0.15 s of every
    # start, for nothing. Told that there is no rich, it does without.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog  # noqa: F401

    del sys.modules["rich"]
