"""The generator of synthetic people: identities, action units, scans and portraits with truth."""
