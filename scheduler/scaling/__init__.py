"""How fast the software gets with more workers, and what stops it."""
