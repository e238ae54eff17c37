"""Real schedulers on this machine alone, for tests: each in a folder of its own, then gone."""
