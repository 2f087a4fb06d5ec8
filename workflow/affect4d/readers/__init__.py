"""Readers: what independent models read of a face, its expression and identity, and its landmarks.

The expression reader is the classifier of the package `fer` 25.10.3 (MIT, trained on FER-2013), the
identity reader dlib's face recognition network (King 2017, CC0, package `face_recognition_models`),
the landmarks are detected anew (`affect4d.fitting.detection`). No part of the project was fitted to
the first two. They run in an environment of their own (`make face-readers`), which nothing needs
that a build makes.

The package itself imports none of its modules: the workflow asks `readers.environment` whenever it
is parsed, and the detector's libraries take seconds.
"""
