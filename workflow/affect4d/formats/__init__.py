"""Readers and writers of external files: meshes, landmarks, images, animations.

All other packages work on arrays in millimetres, zero-based pixels and RGB.
"""
