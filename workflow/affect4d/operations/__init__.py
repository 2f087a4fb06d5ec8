"""Running a build: what it will cost, whether a place suits it, how far it is, what it made."""
