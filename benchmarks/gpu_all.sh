#!/usr/bin/env bash
# Everything that a card has to say, in one run of at most six minutes on a machine with a card and no network:
#
#     bash benchmarks/gpu_all.sh FOLDER [SECTION ...]
#
# Each section runs by itself under a limit of its own and leaves FOLDER/SECTION.log, most also FOLDER/SECTION.json.
# In the root of the repository may lie, made beforehand on a machine with network:
#     .whl/  wheels of what that machine lacks (Python 3.12, x86-64), at the versions of constraints.txt:
#            nvidia-cudnn-frontend==1.18.0 msgspec cyclopts rich-rst docstring_parser
#            (there already: numpy numba numba-cuda llvmlite cuda-bindings cuda-pathfinder nvidia-cudnn-cu13 nvidia-cublas
#            ml-dtypes safetensors matplotlib pillow rich attrs pytest pytest-xdist hypothesis torch)
#     .ptx/  compiled kernels: python -m benchmarks.gpu_ptx .ptx 9.0
set -u
out=$(mkdir -p "$1" && cd "$1" && pwd) && shift
cd "$(dirname "$0")/.." || exit 1

export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=src
export CUDA_HOME=${CUDA_HOME:-/usr/local/cuda} PELLUCID_TEST_CARD=1 NUMBA_ENABLE_CUDASIM=0
if compgen -G ".whl/*.whl" >/dev/null; then
  python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target /tmp/site .whl/*.whl
  export PYTHONPATH=/tmp/site:src
fi
if [ -d .ptx ]; then export PELLUCID_PTX=$PWD/.ptx; fi

chosen=" $* "
section() {  # NAME SECONDS COMMAND ...
  local name=$1 limit=$2 began=$SECONDS code
  shift 2
  if [ "$chosen" != "  " ] && [[ $chosen != *" $name "* ]]; then return; fi
  timeout -s INT -k 5 "$limit" "$@" >"$out/$name.log" 2>&1
  code=$?
  printf '== %s: exit %d after %d s\n' "$name" "$code" $((SECONDS - began))
  tail -n 25 "$out/$name.log" | cut -c1-300
}

section environment 40 python3 -m benchmarks.gpu_environment
section conformance 150 python3 -m pytest tests/cuda -v -o addopts= -o filterwarnings=default -p no:cacheprovider \
  -n 14 --dist worksteal -m "not slow" --tb=short --timeout 60 --durations=10 --maxfail=60
section ops 70 python3 -m benchmarks.gpu_ops "$out/ops.json"
section training 200 python3 -m benchmarks.gpu --out "$out/training.json" --total 190 --seconds 60
