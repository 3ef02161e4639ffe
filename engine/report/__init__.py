"""Findings as text, JSON, SARIF and GitHub annotations: one function each, from an outcome to a string."""

from __future__ import annotations

from engine.report.github import as_github
from engine.report.json import as_json
from engine.report.sarif import as_sarif
from engine.report.text import as_text, statistics

FORMATS = {"text": as_text, "json": as_json, "sarif": as_sarif, "github": as_github}

__all__ = ["FORMATS", "as_github", "as_json", "as_sarif", "as_text", "statistics"]
