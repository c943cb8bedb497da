"""The Zephyr module: what Zephyr's build reads of it, and that it compiles between the functions that build brings.

Zephyr itself is no package. Of its CMake (cmake/modules/extensions.cmake) the three functions that the module calls
stand here as they are documented; scripts/zephyr_module.py tells which keys a module.yml may have.
"""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from export.test_c import NAMES, shrunk, wide_open
from pellucid.export import export_c
from pellucid.plan import IntegerNetwork

ZEPHYR = """
cmake_minimum_required(VERSION 3.20)
project(zephyr_of_a_test C)
set(ZEPHYR_BASE ${CMAKE_CURRENT_SOURCE_DIR})
add_library(zephyr_interface INTERFACE)
target_compile_options(zephyr_interface INTERFACE -std=c17 -Wall -Werror -Os -ffreestanding -fno-common)
function(zephyr_library_named name)
  add_library(${name} STATIC "")
  target_link_libraries(${name} PUBLIC zephyr_interface)
  set(ZEPHYR_CURRENT_LIBRARY ${name} PARENT_SCOPE)
endfunction()
function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()
function(zephyr_include_directories)
  foreach(folder ${ARGN})
    target_include_directories(zephyr_interface INTERFACE ${CMAKE_CURRENT_SOURCE_DIR}/${folder})
  endforeach()
endfunction()
add_subdirectory(${MODULE_CMAKE_DIR} ${CMAKE_BINARY_DIR}/modules/${MODULE_NAME})
add_executable(app app.c)
target_link_libraries(app PRIVATE zephyr_interface ${MODULE_NAME})
"""

APP = """
#include <network.h>
#include <stdio.h>

int main(void)
{
    static uint8_t image[NETWORK_IMAGE_BYTES];
    printf("%d\\n", (int)network_predict(image));
    return 0;
}
"""


@pytest.fixture
def network() -> IntegerNetwork:
    return shrunk(wide_open(), 8)


def test_what_zephyr_reads_of_a_module(network: IntegerNetwork, tmp_path: Path) -> None:
    export_c(network, tmp_path, NAMES, form="cmake")
    lines = (tmp_path / "zephyr" / "module.yml").read_text().splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["name: network", "build:", "  cmake: ."]
    assert (tmp_path / "." / "CMakeLists.txt").is_file()  # in the folder that `cmake` names


@pytest.mark.skipif(any(shutil.which(tool) is None for tool in ("cmake", "cc")), reason="no cmake or no C compiler")
def test_the_module_compiles_in_zephyrs_build(network: IntegerNetwork, tmp_path: Path) -> None:
    module, zephyr = tmp_path / "module", tmp_path / "zephyr"
    export_c(network, module, NAMES, form="cmake")
    zephyr.mkdir()
    (zephyr / "CMakeLists.txt").write_text(ZEPHYR)
    (zephyr / "app.c").write_text(APP)
    said = dict(re.findall(r"(\w+): (\S+)", (module / "zephyr" / "module.yml").read_text()))
    where = [f"-DMODULE_NAME={said['name']}", f"-DMODULE_CMAKE_DIR={module / said['cmake']}"]
    subprocess.run(["cmake", "-S", zephyr, "-B", tmp_path / "build", *where], capture_output=True, check=True)
    subprocess.run(["cmake", "--build", tmp_path / "build"], capture_output=True, check=True)
    assert not (tmp_path / "build" / "modules" / "network" / "demo").exists()  # the demo is no part of it
    found = subprocess.run([tmp_path / "build" / "app"], capture_output=True, text=True, check=True).stdout
    assert int(found) == network.integer_logits(np.zeros((1, *network.input_shape), np.uint8))[0].argmax()
