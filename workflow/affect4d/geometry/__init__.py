"""Triangle meshes as arrays: surfaces, similarity transforms, rasters and shaded pictures.

Every package may use it; it knows no file, no photograph and no annotation.
"""
