"""A run folder of weights that were trained with the book's code."""

from pathlib import Path

import msgspec

from pellucid.data.framing import Framing
from pellucid.files import write_whole
from pellucid.network import Network
from pellucid.recipes.load import load_recipe
from pellucid.recipes.model import model_notes
from pellucid.recipes.network import build_network
from pellucid.recipes.write import recipe_toml
from pellucid.training.folder import RunFolder, new_run_folder
from pellucid.weights import save_model
from pellucid.zoo.book import load_book_parameters

CLASS_NAMES = tuple("0123456789")
IMAGE_SHAPE = (1, 28, 28)
FRAMING = Framing("character", 1, (28, 28))


def import_book_run(file: Path, folder: Path | None = None) -> RunFolder:
    """A new run folder (by default in runs/) with the weights of deep_convnet_params.pkl, in 32 bits.

    Its recipe says how the book trained them. Raises PellucidError for another file; then no folder is made.
    """
    recipe = load_recipe("deep-convnet-classic")
    recipe = msgspec.structs.replace(recipe, name="book", description=f"The book's weights, from {file.name}")
    network: Network = build_network(recipe, IMAGE_SHAPE, len(CLASS_NAMES))
    load_book_parameters(network, file)
    with new_run_folder(recipe.name, folder) as run:
        save_model(run.model, network, model_notes(recipe, IMAGE_SHAPE, CLASS_NAMES, FRAMING))
        write_whole(run.recipe, recipe_toml(recipe).encode())
    return run
