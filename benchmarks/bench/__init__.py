"""Benchmarks of the client: each module measures one subject, and returns what a report shows."""
