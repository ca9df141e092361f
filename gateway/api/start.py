"""Brings the API up without holding the event loop: FastAPI costs 0.5 s of CPU to import, and sensors do not wait for it."""

from __future__ import annotations

import asyncio
import importlib
from typing import TYPE_CHECKING

from gateway.api.view import GatewayView
from gateway.settings import ApiSection

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gateway.api.server import ApiServer


async def start(gateway: GatewayView, section: ApiSection) -> ApiServer:
    """Serve `gateway` where `section` says. Raises EnvgwError if the address cannot be had."""
    app = await asyncio.to_thread(_build, gateway, section.host)
    from gateway.api.server import serve

    return await serve(app, section.host, section.port)


def _build(gateway: GatewayView, host: str) -> FastAPI:
    """In a thread: imports, and routes made from models. Nothing of the gateway is called yet."""
    importlib.import_module("gateway.api.server")  # so that the import in the loop finds it loaded
    from gateway.api.app import make_app

    return make_app(gateway, host=host)
