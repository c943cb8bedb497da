"""`pellucid export`: a network as a program or a file for another machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pellucid.cli.flags import switch
from pellucid.cli.output import print_note, working
from pellucid.cli.subject import LAST, trained
from pellucid.errors import PellucidError


def export(
    run: Annotated[
        Path, Parameter(help="A run folder, or a model's file; for C a run, or the file of an integer network.")
    ] = Path(LAST),
    /,
    *,
    to: Annotated[Literal["c", "onnx"], Parameter(help="C99 without any library, or an ONNX file.")] = "c",
    out: Annotated[
        Path | None, Parameter(help="Folder to write C to, or the file; by default c, or the run's name.onnx.")
    ] = None,
    target: Annotated[
        Literal["cortex-m4", "cortex-m3", "cortex-m55"] | None,
        Parameter(help="For C, add a program that measures it on such a core in QEMU."),
    ] = None,
    form: Annotated[
        Literal["make", "cmake", "arduino"] | None,
        Parameter(help="For C: with a Makefile (the default), for CMake and Zephyr, or as an Arduino library."),
    ] = None,
    rows: Annotated[
        bool,
        switch("For C, let images come row by row: for those larger than RAM."),
    ] = False,
    bits: Annotated[
        int | None,
        Parameter(help="Which of the run's integer networks; for C by default the last made, for ONNX none."),
    ] = None,
    pixels: Annotated[bool, switch("For ONNX, let the file take bytes and normalise them itself.")] = False,
    best: Annotated[bool, switch("For ONNX, the run's best model instead of its last.")] = False,
) -> None:
    """Write a network as C or as an ONNX file.

    C takes an integer network, which a run that has none yet is given as by pellucid shrink: network.h, network.c, a
    demo that reads PGM or PPM images, and a Makefile. Images are plain pixels: what they were normalised by in
    training is part of the program. ONNX takes one in floats, or with --bits or of an integer file one in integers
    (QuantizeLinear and DequantizeLinear), and has the names of its classes and the normalisation of its input as
    metadata.
    """
    if to == "onnx":
        if target is not None or form is not None or rows:
            raise PellucidError("--target, --form and --rows are for --to c")
        _to_onnx(trained(run), out, bits, pixels=pixels, best=best)
        return
    if pixels or best:
        raise PellucidError("--pixels and --best are for --to onnx")
    _to_c(trained(run), Path("c") if out is None else out, bits, target, form or "make", rows=rows)


def _to_onnx(run: Path, out: Path | None, bits: int | None, *, pixels: bool, best: bool) -> None:
    from pellucid.exchange.onnx_export import save_onnx
    from pellucid.files import check_own
    from pellucid.plan import IntegerNetwork
    from pellucid.recipes.model import framing_note
    from pellucid.recipes.shrink import open_any, open_shrunk

    if bits is not None and best:
        raise PellucidError("--best is for the network in floats; integers are made of the last model")
    model = open_any(run if bits is None else open_shrunk(run, bits).path, best=best)
    data = model.recipe.data
    name = run.resolve().stem if bits is None else f"{run.resolve().stem}-int{bits}"
    file = Path(f"{name}.onnx") if out is None else out
    check_own(file, b"pellucid", "export")
    save_onnx(
        file, model.network, class_names=model.class_names, mean=data.mean, std=data.std, pixels=pixels,
        metadata={"framing": framing_note(model.framing)},
    )  # fmt: skip
    takes = "bytes" if pixels else "pixels / 255, normalised as in training"
    title = (
        f" in integers, weights of {model.network.bits} bits," if isinstance(model.network, IntegerNetwork) else ""
    )
    print_note(f"{model.path}{title} to {file}: takes {takes}, any number of images at a time")


def _to_c(run: Path, out: Path, bits: int | None, target: str | None, form: str, *, rows: bool) -> None:
    from pellucid.export import export_c
    from pellucid.recipes.shrink import open_or_shrink

    with working("counting ..."):
        shrunk = open_or_shrink(run, bits)
    done = export_c(shrunk.network, out, shrunk.class_names, target, form, shrunk.mean, shrunk.std, rows=rows)
    print_note(f"{shrunk.path} ({shrunk.title}) to {', '.join(str(file) for file in done.files)}")
    if shrunk.mean or shrunk.std:
        print_note("it takes plain pixels, and normalises them as in training")
    told = "rows that are there" if rows else "input"
    print_note(f"RAM: {done.ram:,} bytes, static, {told} and logits included")
    code = f" (make -C {out} size)" if form == "make" else ""
    print_note(f"flash: {done.constants:,} bytes of constants, and the code{code}")
    if target:
        _with_test_images(shrunk.path, out)
    if form == "make":
        picture = "digit.pgm" if shrunk.network.input_shape[0] == 1 else "photo.ppm"
        print_note(f"to run it: make -C {out} && {out}/demo {picture}")


def _with_test_images(file: Path, out: Path) -> None:
    from pellucid.recipes.bench_images import write_bench_images

    try:
        count = write_bench_images(file, out)
        print_note(f"to measure it, and compare {count} test images with Python: make -C {out} check")
    except PellucidError as error:
        print_note(f"without test images: {error}")
    print_note(f"to measure it on others: as {out}/images.bin, then make -C {out} bench")
