"""Networks that read valence and arousal of sequences of faces: convolutions, then two GRUs.

With the backbone `vgg` it is VGG-Face-GRU, the network of the paper's Tables 2 and 3 (Parkhi,
Vedaldi & Zisserman, BMVC 2015; Kollias et al., IJCV 2019). `convnext` is a current backbone (Liu et
al., CVPR 2022, the sizes of timm's `convnext_atto`), written out here because timm needs
torchvision, of which PyPI has no build for the CPU.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from affect4d.config.training import Network
from affect4d.quarantine import BadInput

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))  # channels
FULLY_CONNECTED, DROPOUT = 4096, 0.5  # units, share, as published
RECURRENT, RECURRENT_LAYERS = 128, 2  # units, as published
CONVNEXT = ((40, 2), (80, 2), (160, 6), (320, 2))  # channels and blocks of each stage
PATCH, KERNEL, EXPANSION = 4, 7, 4  # pixels of the first stride; of the kernels; of channels
OUTPUTS = ("valence", "arousal")
CENTRE = 128.0  # of the grey levels 0..255: the networks are given (x - 128) / 128


class Recurrent(nn.Module):
    """Two GRU layers over the features (B, T, F) of sequences, and a linear layer: (B, T, 2)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, RECURRENT, RECURRENT_LAYERS, batch_first=True)
        self.linear = nn.Linear(RECURRENT, len(OUTPUTS))

    def forward(self, features: Tensor) -> Tensor:
        """Valence and arousal of each frame."""
        return self.linear(self.gru(features)[0])


class SequenceReader(nn.Module):
    """A backbone for images (N, 3, S, S) and Recurrent on what it gives."""

    def __init__(self, backbone: nn.Module, features: int) -> None:
        super().__init__()
        self.backbone, self.recurrent = backbone, Recurrent(features)

    def forward(self, frames: Tensor) -> Tensor:
        """Valence and arousal (B, T, 2) of sequences (B, T, S, S, 3) of grey levels 0..255."""
        batch, length = frames.shape[:2]
        images = (frames.flatten(0, 1).permute(0, 3, 1, 2).float() - CENTRE) / CENTRE
        return self.recurrent(self.backbone(images).view(batch, length, -1))


class ConvNextBlock(nn.Module):
    """Depthwise convolution, normalisation, two pointwise layers, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, KERNEL, padding=KERNEL // 2, groups=channels)
        self.pointwise = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, EXPANSION * channels),
            nn.GELU(),
            nn.Linear(EXPANSION * channels, channels),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        last = self.depthwise(images).permute(0, 2, 3, 1)
        return images + self.pointwise(last).permute(0, 3, 1, 2)


def make_network(settings: Network) -> SequenceReader:
    """The network of the settings, initialised from PyTorch's generator, then with its weights.

    Raises
    ------
    BadInput
        The weights cannot be read, or are another network's.
    """

    def scaled(channels: int) -> int:
        return max(round(channels * settings.width), 1)

    if settings.backbone == "vgg":
        backbone, features = nn.Sequential(*_vgg(scaled, settings.size)), scaled(FULLY_CONNECTED)
    else:
        backbone, features = nn.Sequential(*_convnext(scaled)), scaled(CONVNEXT[-1][0])
    network = SequenceReader(backbone, features)
    for layer in network.backbone:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            # He et al. 2015: without it, thirteen layers of ReLU from scratch hardly pass a signal
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if settings.weights is not None:
        load_weights(network, Path(settings.weights))
    return network


def _vgg(scaled: Any, size: int) -> Iterator[nn.Module]:
    channels = 3
    for stage in VGG16:
        for wanted in map(scaled, stage):
            yield nn.Conv2d(channels, wanted, 3, padding=1)
            yield nn.ReLU()
            channels = wanted
        # as TensorFlow's SAME: an odd row or column at the end is kept
        yield nn.MaxPool2d(2, ceil_mode=True)
        size = -(-size // 2)
    yield nn.Flatten()
    yield nn.Linear(channels * size * size, scaled(FULLY_CONNECTED))
    yield nn.ReLU()
    yield nn.Dropout(DROPOUT)


def _convnext(scaled: Any) -> Iterator[nn.Module]:
    channels, stride = 3, PATCH
    for wanted, blocks in CONVNEXT:
        if channels != 3:
            yield nn.GroupNorm(1, channels)
        yield nn.Conv2d(channels, scaled(wanted), stride, stride)
        channels, stride = scaled(wanted), 2
        for _ in range(blocks):
            yield ConvNextBlock(channels)
    yield nn.AdaptiveAvgPool2d(1)
    yield nn.Flatten()
    yield nn.LayerNorm(channels)


def load_weights(network: nn.Module, file: Path) -> None:
    """Load weights from a .safetensors, or a .pt that holds tensors only; no code in it is run.

    Those of a backbone alone are accepted too.

    Raises
    ------
    BadInput
        The file cannot be read, or its tensors are not the network's.
    """
    try:
        tensors = _read_tensors(file)
    except Exception as error:  # each format has errors of its own
        rule = f"weights cannot be read ({str(error).splitlines()[0]})"
        raise BadInput(file, rule, "give .safetensors, or a .pt of tensors only") from error
    own = network.state_dict()
    known = {name for name in own if name.startswith("backbone.")}
    names = set(tensors)
    if names not in (set(own), known) or any(own[n].shape != tensors[n].shape for n in names):
        wrong = sorted(names ^ set(own))[:3] or "shapes differ"
        remedy = "choose the backbone, width and size that they were trained with"
        raise BadInput(file, f"the tensors are not this network's ({wrong})", remedy)
    network.load_state_dict(tensors, strict=False)


def _read_tensors(file: Path) -> dict[str, Tensor]:
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(file))
    content = torch.load(file, weights_only=True, map_location="cpu")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError("it holds more than tensors")
    return dict(content)
