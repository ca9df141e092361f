"""The core: (state, inputs in order) → (state, outcomes). Deterministic; no I/O, no clock of its own (an import contract says so).

Begin with `core.py`; `inputs.py` is what it takes, `outcomes.py` what comes of it, `state.py` what it remembers.
"""

from gateway.core.core import Core, config_digest, config_text

__all__ = ["Core", "config_digest", "config_text"]
