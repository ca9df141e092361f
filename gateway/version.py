"""The version of this code, as journalled with every start and snapshot."""

from __future__ import annotations

VERSION = "0.1.0"
