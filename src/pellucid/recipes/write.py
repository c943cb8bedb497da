"""A recipe as TOML text."""

import json
from typing import Any

import msgspec

from pellucid.errors import PellucidError
from pellucid.recipes.schema import Recipe


def recipe_toml(recipe: Recipe) -> str:
    """The whole recipe, settings left at their defaults too; `load_recipe` gives the same one back."""
    content = msgspec.to_builtins(recipe)
    lines = [f"{key} = {_toml(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for section, table in content.items():
        if isinstance(table, dict):
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]
    text = "\n".join(lines) + "\n"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise PellucidError(
            f"{text[error.start - 20 : error.end + 20]!r}: a recipe can only name what is UTF-8"
        ) from None
    return text


def _toml(value: Any) -> str:
    """A value as TOML writes it; strings and booleans as JSON does."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")  # TOML has no surrogates
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + " }"
    return repr(value)
