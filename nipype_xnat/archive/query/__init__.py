"""From field addresses and criteria to SQLAlchemy expressions."""
