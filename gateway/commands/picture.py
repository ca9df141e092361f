"""What the pictures share: a canvas without a screen, and writing it as PNG or as one HTML file with nothing outside of it."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import EnvgwError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """A figure of so many inches. matplotlib is imported here: half a second that no other command needs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path, title: str, language: str) -> None:
    """Write it as the name's ending says. Raises EnvgwError."""
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Title": title, "Software": None})
    try:
        if path.suffix == ".png":
            path.write_bytes(image.getvalue())
            return
        name = html.escape(title)
        data = base64.b64encode(image.getvalue()).decode()
        path.write_text(
            f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{name}</title>'
            f'<body style="margin:1rem;background:#fff"><img alt="{name}" style="max-width:100%" src="data:image/png;base64,{data}">\n',
            "utf-8",
        )
    except OSError as error:
        raise EnvgwError(f"{path}: the picture cannot be written: {error}") from error
