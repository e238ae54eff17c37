"""Rows."""

ROWS = []
