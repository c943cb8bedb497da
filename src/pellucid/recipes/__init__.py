"""Recipes: whole training runs as data (TOML), and what is made of them."""

from pellucid.recipes.data import build_data, build_loader
from pellucid.recipes.load import DEFAULT, list_recipes, load_recipe, parse_recipe
from pellucid.recipes.model import AnyModel, Model, model_notes
from pellucid.recipes.network import build_network, build_task
from pellucid.recipes.opened import open_model
from pellucid.recipes.run import resume_run, start_run
from pellucid.recipes.schema import Recipe
from pellucid.recipes.trainer import build_trainer
from pellucid.recipes.write import recipe_toml

__all__ = [
    "DEFAULT",
    "AnyModel",
    "Model",
    "Recipe",
    "build_data",
    "build_loader",
    "build_network",
    "build_task",
    "build_trainer",
    "list_recipes",
    "load_recipe",
    "model_notes",
    "open_model",
    "parse_recipe",
    "recipe_toml",
    "resume_run",
    "start_run",
]
