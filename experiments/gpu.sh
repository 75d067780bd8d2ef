#!/usr/bin/env bash
# Measures what needs a GPU, meant to take less than 25 minutes of an H100, and keeps the results:
#
#   pip install -e ".[cuda,peers]"
#   experiments/gpu.sh
#
# What is measured is not measured again: the command continues where it was stopped.
# SMALL=1 tries every step in a few minutes, also on a CPU, and keeps nothing but runs/gpu-small.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=runs/gpu times="--rounds 3 --seconds 1" peers="torch torch-compile"
seeds="--seeds 20" kernels=
if [ -n "${SMALL:-}" ]; then
  folder=runs/gpu-small times="--rounds 1 --seconds 0.1 --batch-sizes 16" peers=torch
  seeds="--seeds 2 --epochs 1 --width 8" kernels="--rounds 1 --examples 2"
elif [ "$(python -c "import jax; print(jax.default_backend())")" != gpu ]; then
  echo "JAX finds no GPU here: install its plugin, or try SMALL=1." >&2
  exit 1
fi
mkdir -p "$folder/begun"

measure() { # NAME COMMAND...: writes NAME.json, and its chart if it has one, unless NAME.json is there
  local name=$1
  shift
  if [ ! -e "$folder/$name.json" ]; then
    printf '=== %s (%s s)\n' "$*" "$SECONDS" >&2
    "$@" --output "$folder/begun/$name.json"
    if [ -e "$folder/begun/$name.png" ]; then mv "$folder/begun/$name.png" "$folder"; fi
    mv "$folder/begun/$name.json" "$folder"
  fi
}

measure kernels python -m experiments.benchmark.kernels $kernels
measure large python -m experiments.benchmark --precision bfloat16 --peers $peers $times \
  --models resnet18 vit transformer speedrun
measure small python -m experiments.benchmark --precision float32 --peers $peers $times \
  --models mlp cnn lstm

if ! ls "$folder"/speedrun/*-seeds.json >/dev/null 2>&1; then
  begun=$(ls -d "$folder"/speedrun/*/ 2>/dev/null | head -n 1 || true)
  if [ -n "$begun" ]; then
    python -m experiments.speedrun --resume "$begun"
  else
    python -m experiments.speedrun --preset gpu $seeds --runs-dir "$folder"
  fi
fi
if [ -z "${SMALL:-}" ]; then
  python -m experiments.report "$folder"/speedrun/*-seeds.json --name speedrun-gpu-cifar10
  for file in "$folder"/{kernels,large,small}.*; do
    cp "$file" "experiments/benchmark/results/gpu-$(basename "$file")"
  done
fi
echo "Everything is in $folder."
