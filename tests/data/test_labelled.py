"""Pictures whose labels stand in CSV files, however people write those."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pellucid.data import load_data
from pellucid.data.survey import survey
from pellucid.errors import PellucidError
from pellucid.recipes import load_recipe
from pellucid.recipes.data import build_data


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(10):
        place = tmp_path / "images" / ("old" if number % 2 else "new")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (25 * number, 0, 90)).save(place / f"p{number}.JPG")
    return tmp_path


def lines(template: str, count: int = 10) -> str:
    return "\n".join(template.format(n=n, folder="old" if n % 2 else "new", kind="ab"[n % 2]) for n in range(count))


ONE = {
    "paths": "path,label\n" + lines("images/{folder}/p{n}.JPG,{kind}"),
    "windows": "\ufefffilename;class\r\n" + lines("images\\{folder}\\p{n}.JPG;{kind}").replace("\n", "\r\n"),
    "names": "image_id\tage\tlabel\n" + lines("p{n}\t7\t{kind}"),
    "spaces": "file, label, about\n" + lines('p{n}, {kind}, "seen, or not"'),
    "no head": lines("p{n}.JPG,{kind}"),
    "other place": "label,file\n" + lines("{kind},data/{folder}/p{n}.JPG"),
}


@pytest.mark.parametrize("text", ONE.values(), ids=ONE)
def test_one_label_a_picture(text: str, photos: Path) -> None:
    (photos / "labels.csv").write_bytes(text.encode())
    for source in (photos, photos / "labels.csv"):
        data = load_data(source)
        assert data.train.class_names == ("a", "b") and data.train.image_shape == (3, 16, 20)
        assert (len(data.train), len(data.test)) == (8, 2)
        assert data.lists == {"test": data.test.keys}
        for part in (data.train, data.test):
            reds = np.rint(np.asarray(part.inputs)[:, 0].mean((1, 2)) / 25).astype(int)
            assert (reds % 2 == part.targets).all()


def test_several_labels_in_a_cell_or_in_columns(photos: Path) -> None:
    expected = np.array([[n % 2, n > 4] for n in range(10)])
    named = [("|".join(name for name, there in zip(("odd", "top"), row, strict=True) if there)) for row in expected]
    cells = "file,tags,split\n" + "\n".join(
        f"p{n},{tags},{'val' if n > 7 else 'TRAIN'}" for n, tags in enumerate(named)
    )
    flags = "file,split,odd,top\n" + "\n".join(
        f"p{n},{'valid' if n > 7 else 'train'},{int(odd)},{int(top)}" for n, (odd, top) in enumerate(expected)
    )
    for text in (cells, flags):
        (photos / "all.csv").write_text(text)
        data = load_data(photos)
        assert data.train.class_names == ("odd", "top") and data.lists == {}
        found = np.concatenate([np.asarray(data.train.targets), np.asarray(data.test.targets)])
        numbers = [int(Path(key).stem[1:]) for part in (data.train, data.test) for key in part.keys or ()]
        assert numbers[8:] == [8, 9]
        np.testing.assert_array_equal(found, expected[numbers])
    said = survey(photos).lines()
    assert "10 pictures of several labels (8 train, 2 validation)" in said[0]
    assert said[1] == "2 labels: odd 4, top 3"


def test_a_file_a_part(photos: Path) -> None:
    rows = lines("p{n},{kind}").splitlines()
    for name, some in (("train", rows[:6]), ("Valid", rows[6:8]), ("test", rows[8:])):
        (photos / f"{name}.csv").write_text("\n".join(["image,label", *some]))
    data = load_data(photos)
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 2, 2)


def test_all_mistakes_are_named_at_once(photos: Path) -> None:
    (photos / "labels.csv").write_text("path,label\np0,a\nq7,a\np1,b,c\nq8,b\n")
    with pytest.raises(
        PellucidError, match=r"csv:3: no picture 'q7'.*csv:4: expected 2 columns, got 3.*csv:5: no pic"
    ):
        load_data(photos)
    for text, said in {
        "path,label\np0,a\np0,b\n": r"p0\.JPG is named twice, with other labels",
        "path,age,size\np0,3,4\n": "which column has the labels",
        "path,label,split\np0,a,rest\n": "part 'rest', expected train, val or test",
        "path,label\np0,\np1,\n": "csv:2: no label; where pictures may have none, .* labels; .*csv:3: no label",
        "path,labels\np0,\np1,\n": "no label in it",
        "path,class,xmin,ymin,xmax,ymax\np0,a,1,1,9,9\n": "boxes in a CSV file are not read",
    }.items():
        (photos / "labels.csv").write_text(text)
        with pytest.raises(PellucidError, match=said):
            load_data(photos)


def test_pictures_without_a_line_are_counted(photos: Path) -> None:
    (photos / "labels.csv").write_text("path,label\n" + lines("p{n},{kind}", 8))
    assert load_data(photos).train.notes == ("2 pictures without a line are left out",)


def test_the_task_says_what_labels_are_for_it(photos: Path) -> None:
    (photos / "labels.csv").write_text("path,label\n" + lines("p{n},{kind}"))
    options = {"data.source": str(photos), "data.size": [16, 16]}
    flags = build_data(load_recipe("pictures", {**options, "task.name": "labels"})).train.targets
    labels = build_data(load_recipe("pictures", options)).train.targets
    np.testing.assert_array_equal(np.asarray(flags).argmax(1), labels)
    (photos / "labels.csv").write_text("path,label\np0,a|b\n" + lines("p{n},{kind}", 6).split("\n", 1)[1])
    with pytest.raises(PellucidError, match=r"several labels, expected --set task\.name=labels"):
        build_data(load_recipe("pictures", options))
