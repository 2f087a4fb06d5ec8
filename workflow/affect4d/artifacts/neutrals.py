"""The tables of neutral images."""

ACCEPTED = ["image_id", "subject", "path", "landmarks", "evidence", "source"]
