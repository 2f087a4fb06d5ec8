"""The template whose topology everything shares: its mesh, landmarks, and the parts of its face."""
