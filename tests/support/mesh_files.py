"""Mesh and landmark files of every format, written for tests from plain arrays.

Nothing here uses the readers' code: what is written follows the formats' own descriptions.
"""

import json
import struct

import numpy as np

# convex polygons of seven points, and the triangles of their fans
QUADS = [[0, 1, 2, 3], [3, 2, 4], [0, 3, 4, 5, 6]]
FAN = [[0, 1, 2], [0, 2, 3], [3, 2, 4], [0, 3, 4], [0, 4, 5], [0, 5, 6]]
POINTS = np.array([[-2, -0.2], [-0.8, 2], [1.2, 1.6], [0, 0], [1.4, -1.5], [0.2, -2.5], [-1.5, -2]])
POINTS = np.column_stack([POINTS, np.random.default_rng(1).normal(0, 0.1, 7)]).astype(np.float32)


def grid_mesh(rows=7, columns=9):
    """(vertices, triangles, uv) of a bumpy sheet seen from +z, its triangles row by row."""
    y, x = np.mgrid[rows - 1 : -1 : -1, 0:columns] * 0.5
    z = np.sin(x * 1.3) * np.cos(y) + 0.1 * x
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3).astype(np.float32)
    vertices += np.random.default_rng(0).normal(0, 0.02, vertices.shape).astype(np.float32)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, :-1].ravel(), index[1:, 1:].ravel()
    triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    uv = np.stack([x / x.max(), y / y.max()], axis=-1).reshape(-1, 2).astype(np.float32)
    return vertices, triangles.astype(np.int32), uv


def numbers(row):
    return " ".join(str(value) for value in row)


def obj_text(vertices, faces, uv=None, uv_faces=None, material="face.mtl"):
    """OBJ with one `v` a vertex; `uv_faces` are the corners' texture coordinates."""
    lines = [f"mtllib {material}"] if uv is not None else []
    lines += [f"v {numbers(v)}" for v in vertices]
    if uv is None:
        lines += ["f " + " ".join(str(i + 1) for i in face) for face in faces]
    else:
        uv_faces = faces if uv_faces is None else uv_faces
        lines += [f"vt {numbers(t)}" for t in uv] + ["usemtl skin"]
        lines += [
            "f " + " ".join(f"{i + 1}/{t + 1}" for i, t in zip(face, corners, strict=True))
            for face, corners in zip(faces, uv_faces, strict=True)
        ]
    return "\n".join(lines) + "\n"


PLY_FORMATS = {"ascii": None, "binary_little_endian": "<", "binary_big_endian": ">"}


def ply_bytes(
    vertices,
    faces,
    uv=None,
    corner_uv=None,
    form="ascii",
    uv_names="st",
    real="float",
    texture=None,
    extra="",
):
    """PLY of any polygons; `extra` goes into the header's vertex element as `property uchar`."""
    order = PLY_FORMATS[form]
    columns = [*"xyz", *([] if uv is None else uv_names)]
    header = ["ply", f"format {form} 1.0", "comment made for a test"]
    header += [f"comment TextureFile {texture}"] if texture else []
    header += [f"element vertex {len(vertices)}"]
    header += [f"property uchar {extra}"] if extra else []
    header += [f"property {real} {name}" for name in columns]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    header += ["property list uchar float texcoord"] if corner_uv is not None else []
    head = ("\n".join([*header, "end_header"]) + "\n").encode()
    table = np.asarray(vertices) if uv is None else np.concatenate([vertices, uv], axis=1)
    lists = [[face] if corner_uv is None else [face, t] for face, t in zip(
        faces, faces if corner_uv is None else corner_uv, strict=True)]  # fmt: skip
    if order is None:
        lines = [("7 " if extra else "") + numbers(row) for row in table]
        lines += [" ".join(numbers([np.size(x), *np.ravel(x)]) for x in row) for row in lists]
        return head + ("\n".join(lines) + "\n").encode()
    kind = order + ("f" if real == "float" else "d")
    body = b"".join(
        (b"\7" if extra else b"") + b"".join(struct.pack(kind, float(value)) for value in row)
        for row in table
    )
    for row in lists:
        body += struct.pack("B", len(row[0])) + b"".join(
            struct.pack(order + "i", int(i)) for i in row[0]
        )
        if corner_uv is not None:
            flat = np.ravel(row[1])
            body += struct.pack("B", len(flat)) + b"".join(
                struct.pack(order + "f", float(value)) for value in flat
            )
    return head + body


def wrl_text(vertices, faces, uv=None, uv_faces=None, texture="face.png", comma=","):
    """VRML 2.0 as scanners' software writes it."""
    index = f"{comma} ".join(numbers([*face, -1]).replace(" ", f"{comma} ") for face in faces)
    parts = [
        "#VRML V2.0 utf8",
        "# a scan { not a node [",
        'WorldInfo { title "a } scan" info [ "made # for", "a test" ] }',
        "Group { children [ DEF Face Shape {",
        "appearance Appearance { material Material { diffuseColor 1 1 1 shininess .2 }",
        f'texture ImageTexture {{ url [ "{texture}" ] repeatS FALSE }} }}',
        "geometry IndexedFaceSet { solid FALSE creaseAngle 1.5",
        "coord Coordinate { point [",
        f"{comma}\n".join(numbers(v) for v in vertices) + " ] }",
        f"coordIndex [ {index} ]",
    ]
    if uv is not None:
        parts += ["texCoord TextureCoordinate { point [", ", ".join(numbers(t) for t in uv), "] }"]
    if uv_faces is not None:
        parts += ["texCoordIndex [", " ".join(numbers([*face, -1]) for face in uv_faces), "]"]
    return "\n".join([*parts, "} } ] }", 'NavigationInfo { type "EXAMINE" }']) + "\n"


def bnt_bytes(points, uv, rows, columns, name="face.png", background=-1e9):
    """Bosphorus' grid; points (rows * columns, 3), NaN where the scanner saw nothing."""
    values = np.concatenate([points, uv], axis=1).astype(np.float64)
    values[np.isnan(points).any(axis=1)] = background
    head = struct.pack("<HHdH", rows, columns, background, len(name)) + name.encode()
    return head + struct.pack("<I", values.size) + values.T.astype("<f8").tobytes()


def lm3_text(labels, points):
    """Bosphorus' labelled landmarks."""
    lines = ["# 3D landmark file of a test", "", f"{len(labels)} landmarks:"]
    for label, point in zip(labels, points, strict=True):
        lines += [label, numbers(point)]
    return "\r\n".join(lines) + "\r\n"


def bnd_text(points):
    """BU-3DFE's landmarks: the scan's vertex, then coordinates, between double tabs."""
    return "".join(
        "\t\t".join([str(40 * i + 7), *map(str, point)]) + "\n" for i, point in enumerate(points)
    )


def pts_text(points):
    return f"version: 1\nn_points: {len(points)}\n{{\n" + "\n".join(map(numbers, points)) + "\n}\n"


def ljson_text(points):
    labels = [{"label": "all", "mask": list(range(len(points)))}]
    landmarks = {"points": np.asarray(points).tolist(), "connectivity": [[0, 1]]}
    return json.dumps({"groups": {"LJSON": {"labels": labels, "landmarks": landmarks}}})


def tem_text(points):
    """A template of the London Set: the points, then lines between them."""
    rows = "\n".join("\t".join(map(repr, row)) for row in np.asarray(points).tolist())
    return f"{len(points)}\n{rows}\n1\n0\n2\n0 1\n"
