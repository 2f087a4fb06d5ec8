"""What a file of others may take: bytes before it is read, pixels before they are decoded."""

from dataclasses import dataclass

SHRT_MAX = 32_767  # OpenCV's limit for a side, which registration warps with


@dataclass(frozen=True)
class Limits:
    """The limits of one file.

    Attributes
    ----------
    image_bytes : of an image file; 8192 x 8192 pixels without compression take 192 MiB
    pixels : of an image; decoding takes some 10 bytes each
    side : pixels along a side, at most SHRT_MAX
    side_file_bytes : of a file beside the images; JSON takes up to 29 times its bytes as objects
    """

    image_bytes: int = 256 << 20
    pixels: int = 1 << 26
    side: int = SHRT_MAX
    side_file_bytes: int = 8 << 20


DEFAULT = Limits()
COPIES = Limits(image_bytes=1 << 40, pixels=1 << 40)  # of a build's own: accepted under its limits
