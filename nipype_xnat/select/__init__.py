"""Selecting: text to paths, paths to few requests, answers to elements."""
