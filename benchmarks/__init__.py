"""Measurements whose results stand in the documentation."""
