# LibTorch and the tests' oracles from PyPI wheels, in .venv. Sourced by scripts/setup.

# The wheels of a set, one "name==version" a line. The running set is installed without dependencies: libtorch_cpu.so
# needs libcudart and libcupti and nothing else of CUDA (1.3 GB instead of 4.7), Arrow's libraries need nothing.
wheel_set() {
  echo "torch==$TORCH_VERSION"
  echo "nvidia-cuda-runtime==$CUDA_RUNTIME_VERSION"
  echo "nvidia-cuda-cupti==$CUDA_CUPTI_VERSION"
  echo "pyarrow==$PYARROW_VERSION"
  [ $full = 1 ] || return 0
  echo "numpy==$NUMPY_VERSION"
  echo "transformers==$TRANSFORMERS_VERSION"
  echo "tokenizers==$TOKENIZERS_VERSION"
  echo "peft==$PEFT_VERSION"
  echo "safetensors==$SAFETENSORS_VERSION"
  echo "sentencepiece==$SENTENCEPIECE_VERSION"
  echo "protobuf==$PROTOBUF_VERSION"
  echo "tiktoken==$TIKTOKEN_VERSION"
  echo "gigatoken==$GIGATOKEN_VERSION"
  echo "datatrove==$DATATROVE_VERSION"
  echo "moto[server]==$MOTO_VERSION"
}

# The wheels of the set that .venv lacks.
missing_wheels() {
  local wheel name version
  while read -r wheel; do
    name=${wheel%%==*} version=${wheel##*==}
    name=${name%%[*}
    compgen -G "$root/.venv/lib/python3*/site-packages/${name//-/_}-$version.dist-info" >/dev/null || echo "$wheel"
  done < <(wheel_set)
  # A running set grows into the full one by what torch itself asks for.
  if [ $full = 1 ] && ! compgen -G "$root/.venv/lib/python3*/site-packages/sympy" >/dev/null; then
    echo "torch==$TORCH_VERSION"
  fi
}

python_for_venv() {
  local candidate
  for candidate in "${PLUMB_PYTHON:-}" /usr/bin/python3 python3; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python of version 3.10 or newer with the module venv" "apt-get install python3-venv, or PLUMB_PYTHON=FILE"
}

install_wheels() {
  local missing python source=() dependencies=()
  mapfile -t missing < <(missing_wheels | sort -u)
  if [ ${#missing[@]} = 0 ]; then
    say "wheels in .venv: all there"
    return
  fi
  if [ $full = 1 ]; then
    say "wheels to install into .venv: ${missing[*]} and what they need (up to 5.4 GB on disk)"
  else
    say "wheels to install into .venv: ${missing[*]} (1.5 GB on disk)"
    dependencies=(--no-deps)
  fi
  if [ -n "$from" ]; then source=(--no-index --find-links "$from/wheels"); check_bundle; fi
  if [ ! -x "$root/.venv/bin/python" ] || ! "$root/.venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(python_for_venv)
    "$python" -m venv "$root/.venv" || die "$python could not make $root/.venv" "apt-get install python3-venv"
  fi
  "$root/.venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-cache-dir \
    "${source[@]}" "${dependencies[@]}" $(wheel_set) ||
    die "pip could not install the wheels" \
      "no network? scripts/setup --from DIR needs none; a proxy with a certificate of its own? set PIP_CERT=FILE"
  say "wheels in .venv: installed ($(du -sh "$root/.venv" | cut -f1) on disk)"
}
