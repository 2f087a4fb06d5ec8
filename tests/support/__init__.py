"""What several test modules and benchmarks share: files, faults, small results."""
