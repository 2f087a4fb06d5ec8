"""Triangle meshes as arrays: surfaces, similarity transforms, rasters and shaded pictures.

Shared by every room that follows; knows no file, no photograph and no annotation.
"""
