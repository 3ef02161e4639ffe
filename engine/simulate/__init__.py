"""Run a converted folder in FLARE's simulator. NVFLARE and torch are imported only in here."""

from __future__ import annotations

from engine.simulate.report import render_text
from engine.simulate.run import TIME_LIMIT, Simulation, simulate

__all__ = ["TIME_LIMIT", "Simulation", "render_text", "simulate"]
