"""One run of a rule: its context, and what it depends on beside its inputs."""
