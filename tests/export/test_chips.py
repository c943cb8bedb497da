"""Chips as data: known ones, those of users' files, those described in a word; and what of them is refused."""

from pathlib import Path

import pytest

from pellucid.errors import PellucidError
from pellucid.export.chips import find_chip, read_chips

MINE = """
[cores.mine]
way = "plain"
cycles = 3

[chips.toaster]
core = "mine"
mhz = 8
ram = 2048
flash = 16384
"""


PUBLISHED = """
[[published]]
chip = "toaster"
network = { name = "resnet8" }
size = [32, 32]
milliseconds = 400
source = "a friend"
"""


def test_what_others_measured_stands_with_its_chip(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE + PUBLISHED)
    catalogue = read_chips([tmp_path / "mine.toml"])
    (found,) = find_chip("toaster", catalogue).published
    assert (found.milliseconds, found.source) == (400, "a friend")
    names = [each.network["name"] for each in find_chip("nucleo-l4r5zi", catalogue).published]
    assert names == ["resnet8", "mobilenet-v1"]
    assert not find_chip("rp2040", catalogue).published


def test_known_chips_have_sources() -> None:
    catalogue = read_chips()
    assert {"nucleo-f446re", "rp2040", "esp32c3"} <= set(catalogue.chips)
    assert all(chip.source for chip in catalogue.chips.values())
    assert all(core.source for core in catalogue.cores.values())


def test_users_add_chips(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    chip = find_chip("toaster", read_chips([tmp_path / "mine.toml"]))
    assert (chip.ram, chip.flash, chip.mhz, chip.core.cycles) == (2048, 16384, 8, 3)


def test_a_chip_in_a_word() -> None:
    chip = find_chip("20k,1M,cortex-m3@72", read_chips())
    assert (chip.ram, chip.flash, chip.mhz, chip.core.way) == (20480, 1 << 20, 72, "plain")
    assert find_chip("500,900,cortex-m4", read_chips()).mhz is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nucleo-f446", "did you mean nucleo-f446re"),
        ("toaster", "known are nucleo-f446re"),
        ("20k,1M", "expected RAM,FLASH,CORE"),
        ("20k,1M,z80", "unknown core 'z80'"),
        ("0,1M,cortex-m3", "above 0"),
    ],
)
def test_unknown_chips_are_named(text: str, message: str) -> None:
    with pytest.raises(PellucidError, match=message):
        find_chip(text, read_chips())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("ram = 2048", "ram = 'much'"), "Expected `int`"),
        (("ram = 2048", "rom = 2048"), "unknown field `rom`"),
        (("ram = 2048", "ram = 0"), "ram and flash above 0"),
        (("mhz = 8", "mhz = nan"), "mhz, ram and flash above 0"),
        (("cycles = 3", "cycles = inf"), "cycles and instructions above 0"),
        (('core = "mine"', 'core = "other"'), "unknown core 'other'"),
        (("cycles = 3", "cycles = 3\ninstructions = 0"), "instructions above 0"),
        (('way = "plain"', 'way = "fast"'), "expected a way dsp, helium or plain"),
        (("[cores", "cores"), "mine.toml"),
        (("flash = 16384", f"flash = 16384\n{PUBLISHED}".replace("toaster", "kettle")), "unknown chip 'kettle'"),
        *(
            (
                ("flash = 16384", f"flash = 16384\n{PUBLISHED.replace(*wrong)}"),
                "published of toaster: expected a size",
            )
            for wrong in (("400", "0"), ("400", "-1.5"), ("400", "nan"), ("400", "inf"), ("[32, 32]", "[0, 32]"))
        ),
    ],
)
def test_damaged_files_are_named(change: tuple[str, str], message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE.replace(*change))
    with pytest.raises(PellucidError, match=message):
        read_chips([tmp_path / "mine.toml"])
    with pytest.raises(PellucidError, match="cannot be read"):
        read_chips([tmp_path / "none.toml"])
