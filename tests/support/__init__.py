"""Helpers of the tests; found by their name because pytest puts this folder on the path."""
