"""U-Net: down to few places that see much, and up again past all that was seen on the way.

    down0 ------------------------------ join0 - up0 - scores
      pool1 - down1 ------------ join1 - up1 - grow0
                pool2 - down2 - grow1

(with two more levels in the paper).
"""

from collections.abc import Sequence

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import Concat, Graph, Node, Sequential
from pellucid.layers import Conv2d, ConvTranspose2d, Layer, MaxPool2d, ReLU
from pellucid.zoo.normalized import normalized


@checked
def unet(classes: int, *, widths: Sequence[int] = (64, 128, 256, 512, 1024), norm: bool = True) -> Graph:
    """A score a class for every pixel, (classes, H, W), of images whose sides are multiples of 16.

    Ronneberger, Fischer, Brox 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation", figure 1; with
    padding, so that no pixel is lost: 31,037,698 parameters for 2 classes on 3 channels. widths: channels of each
    level; n of them want multiples of 2^(n - 1). norm: batch normalisation behind each 3x3 convolution, which the
    paper doesn't have; without it 31,031,810.
    """
    if not widths or min(widths) < 1:
        raise PellucidError(f"unet: expected widths of at least 1, one a level, got {list(widths)}")
    nodes = [Node(_double(widths[0], norm), "input", "down0")]
    for level, width in enumerate(widths[1:], 1):
        nodes.append(Node(MaxPool2d(2), f"down{level - 1}", f"pool{level}"))
        nodes.append(Node(_double(width, norm), f"pool{level}", f"down{level}"))
    below = nodes[-1].name
    for level in reversed(range(len(widths) - 1)):
        nodes.append(Node(ConvTranspose2d(widths[level], 2, stride=2), below, f"grow{level}"))
        nodes.append(Node(Concat(), (f"down{level}", f"grow{level}"), f"join{level}"))
        nodes.append(Node(_double(widths[level], norm), f"join{level}", f"up{level}"))
        below = f"up{level}"
    return Graph(*nodes, Node(Conv2d(classes, 1, initial="xavier"), below, "scores"), outputs="scores")


def _double(width: int, norm: bool) -> Sequential:
    layers: list[Layer] = []
    for _ in range(2):
        layers += [*(normalized(width) if norm else [Conv2d(width, padding=1)]), ReLU()]
    return Sequential(*layers)
