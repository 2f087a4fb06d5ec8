"""Pages that a command serves to the browser on this machine, and to nobody else."""
