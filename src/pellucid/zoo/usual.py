"""The images that each network was published with, or that its recipe shows it."""

from pellucid.ops.arrays import Shape

DIGIT: Shape = (1, 28, 28)
SMALL: Shape = (3, 32, 32)
IMAGENET: Shape = (3, 224, 224)

USUAL_INPUTS: dict[str, Shape] = {
    "deep-convnet": DIGIT,
    "detector-small": (1, 128, 128),
    "fcn-small": (1, 64, 84),
    "fcn8": IMAGENET,
    "fcn16": IMAGENET,
    "fcn32": IMAGENET,
    "lenet5": (1, 32, 32),
    "alexnet": IMAGENET,
    "vgg16": IMAGENET,
    "resnet8": SMALL,
    "resnet18": IMAGENET,
    "resnet34": IMAGENET,
    "resnet50": IMAGENET,
    "googlenet": IMAGENET,
    "densenet121": IMAGENET,
    "squeezenet": IMAGENET,
    "shufflenet-v2": IMAGENET,
    "mobilenet-v1": (3, 96, 96),
    "mobilenet-v2": IMAGENET,
    "efficientnet-lite0": IMAGENET,
    "unet": (3, 256, 256),
    "detector-pyramid": (3, 320, 416),
    "unet-pyramid": (3, 360, 480),
    "cifar-net": SMALL,
    "convnet": (3, 64, 64),
    "plain-convnet": DIGIT,
    "tiny-digits": DIGIT,
}
"""Channels, height and width, by the network's name."""
