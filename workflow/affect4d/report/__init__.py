"""The page on a build; it reads pictures and tables and computes nothing."""
