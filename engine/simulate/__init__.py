"""Run a converted folder in FLARE's simulator. NVFLARE and torch are imported only in here."""

from __future__ import annotations

from engine.simulate.curve import draw_curve
from engine.simulate.deploy import deploy
from engine.simulate.report import render_text
from engine.simulate.result import Simulation
from engine.simulate.run import TIME_LIMIT, simulate

__all__ = ["TIME_LIMIT", "Simulation", "deploy", "draw_curve", "render_text", "simulate"]
