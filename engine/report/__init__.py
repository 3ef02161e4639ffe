"""Findings as text, JSON, SARIF and GitHub annotations: one function each, from results to a string."""
