"""3x3 convolutions of images with few channels, such as a network's first: the direct sum, in registers."""

from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.compile.vectors import FLOAT, FLOAT32, address
from pellucid.ops.numba_ops.convolution.few_channels import MOST_CHANNELS, SIDE, TAPS, Image, Source, convolve
from pellucid.ops.numba_ops.steps.step import ALIGNED, Call, Finish, Step, parts_for
from pellucid.ops.numba_ops.steps.weights import Weights
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS


def suits(shape: tuple[int, ...], kernel: tuple[int, ...], geometry: Geometry, last: Finish) -> bool:
    """Whether its kernel does the convolution, of lines that fill a block."""
    K, C, R, S = kernel
    plain = geometry.stride == geometry.dilation == (1, 1) and geometry.groups == 1
    if not plain or R != SIDE or S != SIDE or C > MOST_CHANNELS or K % PANEL:
        return False
    wide = geometry.output_size((shape[2], shape[3]), (R, S))[1] >= ROWS
    return wide and not last.added and (last.relu or last.open)


def convolution(shape: tuple[int, ...], weights: Weights, geometry: Geometry, last: Finish) -> Step:
    """The convolution of images `shape` (N, C, H, W) with w (K, C, 3, 3), plus b (K,), and its ReLU."""
    N, C, H, W = shape
    w, b = weights.filters(), weights.b
    K = len(b)
    P, Q = geometry.output_size((H, W), (SIDE, SIDE))
    multiply_adds = N * P * Q * w.size
    parts = min(parts_for(multiply_adds), N * P)
    frame = -(-N * (P + 2) * (Q + 2) * C * FLOAT // ALIGNED) * ALIGNED
    packed = (TAPS * C * K + K) * FLOAT

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        image = Image(scratch, output, 0, scratch + frame, int(last.relu), N, P, Q, C, K, parts, FLOAT32)
        source = Source(inputs[0], H, W, *geometry.before, address(w), address(b))
        return [Call(convolve, parts, (image, source))]

    return Step("few-channels", calls, frame + packed, [w, b], multiply_adds)
