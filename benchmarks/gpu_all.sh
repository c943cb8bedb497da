#!/usr/bin/env bash
# Everything that a card has to say, in one run of at most six minutes on a machine with a card and no network:
#
#     bash benchmarks/gpu_all.sh FOLDER [SECTION ...]
#
# Each section runs by itself under a limit of its own and leaves FOLDER/SECTION.log, most also FOLDER/SECTION.json;
# what there is no time for is left out, and said: ask for it by its name in a run of its own. Sections: environment,
# conformance, training, cifar10, ops, compiled (PyTorch's compiler, which takes minutes).
# In the root of the repository may lie, made beforehand on a machine with network:
#     .whl/  wheels of what that machine lacks (Python 3.12, x86-64), at the versions of constraints.txt:
#            nvidia-cudnn-frontend==1.18.0 msgspec cyclopts rich-rst docstring_parser
#            (there already: numpy numba numba-cuda llvmlite cuda-bindings cuda-pathfinder nvidia-cudnn-cu13 nvidia-cublas
#            ml-dtypes safetensors matplotlib pillow rich attrs pytest pytest-xdist hypothesis torch torchvision)
#     .ptx/  compiled kernels: python -m benchmarks.gpu_ptx .ptx 9.0
#     .cifar10/  CIFAR-10's binary files, or a link to them (CIFAR10 names another folder)
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
pictures=${CIFAR10:-$PWD/.cifar10}

chosen=" $* "
lacks=$(python3 -c 'from pellucid.ops.cuda_ops.device import device; device()' 2>&1 | tail -n 1 | sed 's/^.*Error: //' | cut -c1-300)
section() {  # NAME SECONDS COMMAND ...
  local name=$1 limit=$2 began=$SECONDS left=$((355 - SECONDS)) code
  shift 2
  if [ "$chosen" != "  " ] && [[ $chosen != *" $name "* ]]; then return; fi
  if [ -n "$lacks" ] && [ "$name" != environment ]; then echo "== $name: left out: $lacks"; return; fi
  if [ "$name" = cifar10 ] && [ ! -e "$pictures" ]; then echo "== $name: left out: no folder $pictures"; return; fi
  if [ "$left" -lt 20 ]; then echo "== $name: left out: no time"; return; fi
  timeout -s INT -k 5 $((limit < left ? limit : left)) "$@" >"$out/$name.log" 2>&1
  code=$?
  printf '== %s: exit %d after %d s\n' "$name" "$code" $((SECONDS - began))
  tail -n 25 "$out/$name.log" | cut -c1-300
}

section environment 40 python3 -m benchmarks.gpu_environment
section conformance 130 python3 -m pytest tests/cuda -v -o addopts= -o filterwarnings=default -p no:cacheprovider \
  -n 14 --dist worksteal -m "not slow" --tb=short --timeout 60 --durations=10 --maxfail=60
section training 130 python3 -m benchmarks.gpu --out "$out/training.json" --total 125 --seconds 50
section cifar10 60 bash -c 'time python3 -m pellucid train cifar10 --data "$1" --device cuda --out "$2/cifar10" \
  --set training.precision=bfloat16 --quiet && tail -n 1 "$2/cifar10/history.jsonl"' - "$pictures" "$out"
section ops 70 python3 -m benchmarks.gpu_ops "$out/ops.json"
section compiled 300 python3 -m benchmarks.gpu "train DeepConvNet 128 compiled" "train ResNet-18 64 compiled" \
  "train DeepConvNet 1024 compiled" --out "$out/compiled.json" --total 290 --seconds 120 --limit 80
