"""What torch.onnx writes, by either of its exporters, gives here what PyTorch gives."""

import io
from typing import Any

import numpy as np
import pytest
from benchmarks.torch_twin import torch_twin

from exchange.onnx_networks import images, zoo_network
from pellucid import ops
from pellucid.exchange.onnx_file import parse_onnx
from pellucid.exchange.onnx_import import to_network

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
torch = pytest.importorskip("torch")


class Classifier(torch.nn.Module):  # type: ignore[name-defined,misc]
    """A residual block with a gate for each channel, and the last activations of MobileNetV3."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        conv, pool = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.MaxPool2d(3, 2, 1)
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU6(), pool)
        self.body, self.norm, self.down = nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.Conv2d(8, 16, 1, 2)
        self.squeeze, self.excite, self.fc = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1), nn.Linear(16, 5)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        x = torch.relu(self.norm(self.body(x)) + self.down(x))
        gate = torch.nn.functional.silu(self.squeeze(torch.nn.functional.adaptive_avg_pool2d(x, 1)))
        return self.fc(torch.nn.functional.hardswish(x * torch.sigmoid(self.excite(gate))).mean((2, 3)))


class Segmenter(torch.nn.Module):  # type: ignore[name-defined,misc]
    """Two ways of growing a map, and a skip."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.up, self.out = nn.ConvTranspose2d(8, 8, 2, 2), nn.Conv2d(16, 3, 1)

    def forward(self, x: Any) -> Any:
        F = torch.nn.functional
        a = torch.relu(self.a(x))
        b = self.b(F.avg_pool2d(a, 2))
        grown = F.interpolate(F.leaky_relu(b), scale_factor=2, mode="bilinear", align_corners=False)
        return self.out(torch.cat([a, grown + self.up(b)], 1))


class Flattened(torch.nn.Module):  # type: ignore[name-defined,misc]
    """Shape arithmetic, and a norm that is written as several operators."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.c, self.g, self.f = nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Linear(4 * 30 * 30, 6)

    def forward(self, x: Any) -> Any:
        x = torch.nn.functional.gelu(self.g(self.c(x)))
        return torch.log_softmax(self.f(x.view(x.size(0), -1)), 1)


class Modern(torch.nn.Module):  # type: ignore[name-defined,misc]
    """What ConvNeXt has, norms and products with the channels last; a norm of groups, and softplus."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.stem, self.depth = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 8, 7, padding=3, groups=8)
        self.norm, self.widen, self.narrow = nn.LayerNorm(8), nn.Linear(8, 32), nn.Linear(32, 8)
        self.gamma, self.groups = nn.Parameter(torch.rand(8, 1, 1)), nn.GroupNorm(2, 8)
        self.last, self.fc = nn.LayerNorm(8), nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        F = torch.nn.functional
        x = self.stem(x)
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        x = x + self.gamma * self.narrow(F.gelu(self.widen(y))).permute(0, 3, 1, 2)
        x = F.adaptive_avg_pool2d(torch.relu(self.groups(x)), 1)
        x = self.last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.softplus(self.fc(x.flatten(1)))


MODERN = {
    "Add", "Conv2d", "Flatten", "GELU", "GlobalAvgPool2d", "GroupNorm", "LayerNorm2d", "Linear", "ReLU", "Scale",
    "Softplus",
}  # fmt: skip


class ByHand(torch.nn.Module):  # type: ignore[name-defined,misc]
    """What people write of pieces: h-swish, h-sigmoid, squeeze and excitation that expands its gate, Mish."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.stem, self.body = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.squeeze, self.excite, self.fc = nn.Linear(8, 4), nn.Linear(4, 8), nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        F = torch.nn.functional
        x = self.stem(x)
        x = self.body(x * F.relu6(x + 3) / 6)
        gate = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)))
        gate = F.relu6(self.excite(gate) + 3) / 6
        x = F.mish(x * gate.view(gate.size(0), 8, 1, 1).expand_as(x))
        return self.fc(x.mean((2, 3)))


BY_HAND = {
    "Conv2d", "Flatten", "GlobalAvgPool2d", "HardSigmoid", "HardSwish", "Linear", "Mish", "Multiply", "ReLU",
    "Reshape",
}  # fmt: skip


class Lengths(torch.nn.Module):  # type: ignore[name-defined,misc]
    """Powers and lengths: normalised features, deviations, the response norm of ConvNeXt V2, a mean of powers."""

    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.stem, self.wide, self.fc = nn.Conv2d(3, 8, 3), nn.Linear(8, 16), nn.Linear(16, 6)
        self.gamma, self.beta = nn.Parameter(torch.rand(1, 1, 1, 16)), nn.Parameter(torch.rand(1, 1, 1, 16))
        self.names = nn.Parameter(torch.randn(5, 6))

    def forward(self, x: Any) -> Any:
        F = torch.nn.functional
        x = F.softsign(F.celu(self.stem(x), 0.7))
        x = F.normalize(x, dim=1)
        y = self.wide(x.permute(0, 2, 3, 1))
        length = torch.norm(y, p=2, dim=(1, 2), keepdim=True)
        y = self.gamma * (y * (length / (length.mean(-1, keepdim=True) + 1e-6))) + self.beta + y
        y = y.permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(y.clamp(min=1e-6).pow(3), 30).pow(1 / 3).flatten(1) + y.std((2, 3))
        logits = F.linear(F.normalize(self.fc(pooled.abs())), F.normalize(self.names))
        return torch.log(torch.exp(logits) + 1 / (1 + logits.square()))


def exported(module: Any, x: Any, dynamo: bool) -> bytes:
    if dynamo:
        shapes = ({0: torch.export.Dim("n", min=2)},)
        written = torch.onnx.export(module, (x,), dynamo=True, dynamic_shapes=shapes, verbose=False)
        return bytes(written.model_proto.SerializeToString())
    stream = io.BytesIO()
    torch.onnx.export(module, (x,), stream, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}})
    return stream.getvalue()


def compare(module: Any, x: Any, dynamo: bool) -> set[str]:
    """Holds the outputs against each other; the kinds of the network's layers."""
    network = to_network(parse_onnx(exported(module, x, dynamo), "torch.onnx")).network
    reference = module(x).detach().numpy()
    with ops.use_backend("numpy"):
        y = network.forward(x.numpy())
    assert np.abs(y - reference).max() < 1e-5 * np.abs(reference).max()
    return {node.layer.kind for node in network.nodes}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
@pytest.mark.parametrize("kind", [Classifier, Segmenter, Flattened, Lengths])
def test_what_torch_writes(kind: Any, dynamo: bool) -> None:
    torch.manual_seed(0)
    module = kind().eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    compare(module, torch.randn(2, 3, 32, 32), dynamo)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
def test_what_is_written_as_several_operators_is_the_layer_that_it_was(dynamo: bool) -> None:
    torch.manual_seed(0)
    assert compare(Modern().eval(), torch.randn(2, 3, 32, 32), dynamo) == MODERN
    assert compare(ByHand().eval(), torch.randn(2, 3, 32, 32), dynamo) == BY_HAND


@pytest.mark.filterwarnings("ignore")
def test_response_norms_come_in() -> None:
    """Of five channels as the one layer; of four, which ONNX centres elsewhere, as what it is made of."""
    torch.manual_seed(0)
    for size in (5, 4):
        norm = torch.nn.LocalResponseNorm(size, alpha=0.5, beta=0.75, k=2.0)
        module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), norm).eval()
        found = compare(module, torch.randn(2, 3, 9, 9), dynamo=True)
        assert ("LocalResponseNorm" in found) == (size == 5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True], ids=["legacy", "dynamo"])
@pytest.mark.parametrize("name", ["detector-small", "fcn-small", "mobilenet-v1", "resnet8", "squeezenet", "unet"])
def test_what_torch_writes_of_the_zoo(name: str, dynamo: bool) -> None:
    """These of it; all others too, but where maps of odd sizes are grown, which the old exporter gets wrong."""
    network = zoo_network(name)
    compare(torch_twin(network).eval(), torch.from_numpy(images(network)), dynamo)
