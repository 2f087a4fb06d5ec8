"""Writers that are killed, disks that fail, several writers at once."""
