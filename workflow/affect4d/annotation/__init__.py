"""Valence and arousal from people: the page, tracks of other tools, several annotators joined."""
