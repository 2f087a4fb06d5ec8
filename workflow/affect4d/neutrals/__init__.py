"""Neutral faces from databases of photographs: what each file is, which are usable, which are bad.

An adapter (`databases`) turns a database into a list of candidates; `build` selects and checks them
and copies what is accepted, so that later stages read nothing but PNG images with 68 landmarks
beside them. File names and codes are in one YAML file per database.
"""
