#!/usr/bin/env bash
# Measures all that needs a GPU, in less than 25 minutes of an H100, and adds the rows:
#
#   pip install -e ".[cuda,peers]"
#   experiments/gpu.sh
#
# What runs/gpu has already is not measured again: the command continues where it was stopped.
# SMALL=1 tries every step in a few minutes, also on a CPU, in runs/gpu-small, and adds no rows.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=runs/gpu times=(--rounds 3 --seconds 1) seeds=(--seeds 20) examples=()
if [ -n "${SMALL:-}" ]; then
  folder=runs/gpu-small times=(--rounds 1 --seconds 0.1 --batch-sizes 16)
  seeds=(--seeds 2 --epochs 1 --batch-size 20) examples=(--rounds 1 --examples 2)
elif ! python -c "import jax; jax.devices('gpu')" 2>/dev/null; then
  echo "JAX finds no GPU here: install its plugin, or try SMALL=1." >&2
  exit 1
fi
mkdir -p "$folder"

measure() { # FILE COMMAND...: unless there is the file
  local file=$1
  shift
  if [ ! -e "$file" ]; then
    printf '=== %s (%s s)\n' "$*" "$SECONDS" >&2
    "$@"
  fi
}

benchmark() { # NAME PRECISION PEERS MODELS...
  local file=$folder/$1.json begun=$folder/begun/$1.json precision=$2 peers=$3
  shift 3
  measure "$file" python -m experiments.benchmark --models "$@" --precision "$precision" \
    --peers $peers "${times[@]}" --output "$begun"
  [ -e "$file" ] || mv "$folder/begun/"* "$folder"
}

measure "$folder/kernels.json" python -m experiments.benchmark.kernels "${examples[@]}" \
  --output "$folder/kernels.json"
if [ ! -e "$folder/speedrun.json" ]; then
  measure "$folder/speedrun.json" python -m experiments.speedrun --preset gpu "${seeds[@]}" \
    --runs-dir "$folder"
  cp "$(ls -t "$folder"/speedrun/*-seeds.json | head -n 1)" "$folder/speedrun.json"
fi
benchmark large bfloat16 "torch torch-compile" resnet18 vit transformer speedrun
benchmark small float32 "torch torch-compile" mlp cnn lstm

if [ -z "${SMALL:-}" ]; then
  python -m experiments.report "$folder/speedrun.json" --name speedrun-gpu-cifar10
fi
echo "Everything is in $folder."
