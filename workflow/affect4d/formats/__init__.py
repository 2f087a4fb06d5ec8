"""The outside world's files: meshes, landmarks, images, the template, and what to say of bad ones.

Everything beyond this room works on arrays in millimetres, zero-based pixels and RGB.
"""
