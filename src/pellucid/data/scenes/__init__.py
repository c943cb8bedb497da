"""Scenes made of digits, for segmentation and detection without a photograph."""

from pellucid.data.scenes.scenes import Scenes, make_scenes
from pellucid.data.scenes.settings import PRESETS, SceneSettings, scene_settings

__all__ = ["PRESETS", "SceneSettings", "Scenes", "make_scenes", "scene_settings"]
