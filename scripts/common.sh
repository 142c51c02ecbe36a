# Shared by the scripts of this folder: source it, do not run it.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

say() { printf '%s: %s\n' "$(basename "$0")" "$*"; }
die() {  # message, hint
  printf 'error: %s\n  hint: %s\n' "$1" "$2" >&2
  exit 2
}
usage() {  # the comment at the head of the script
  sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"
}

# What scripts/setup --unpack left: libraries in a folder of their own, for machines where nothing may be installed.
if [ -r "$root/.bundle/root/env.sh" ]; then . "$root/.bundle/root/env.sh"; fi

# Arguments of cmake that every script gives alike.
cmake_arguments() {
  if [ -n "${PLUMB_INITIAL_CACHE:-}" ]; then printf '%s\n' -C "$PLUMB_INITIAL_CACHE"; fi
  if [ -n "${LIBTORCH:-}" ]; then printf '%s\n' "-DPLUMB_LIBTORCH=$LIBTORCH"; fi
}

# configure_and_build PRESET FOLDER [cmake arguments...]
configure_and_build() {
  local preset=$1 folder=$2 arguments=()
  shift 2
  mapfile -t arguments < <(cmake_arguments)
  cmake --preset "$preset" -S "$root" -B "$folder" "${arguments[@]}" "$@" >"$folder.configure.log" 2>&1 ||
    { cat "$folder.configure.log" >&2; die "cmake could not configure" "the lines above name what is missing"; }
  grep -E -- '-- (LibTorch|CUDA and NCCL)' "$folder.configure.log" || true
  # nproc takes OMP_NUM_THREADS for the number of processors, and a compiler has no such threads.
  cmake --build "$folder" -j "$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)" -- --quiet
}

# Several ranks on one machine, also as root in a container, with one thread each. OpenMPI reads these: ranks may outnumber
# cores, are not pinned, give the core away while they wait, and need no ptrace rights to read each other's memory.
mpi_environment() {
  export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMPI_MCA_rmaps_base_oversubscribe=1
  export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
  export OMPI_MCA_btl_vader_single_copy_mechanism=none
  if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
}

seconds_since() { awk -v a="$1" -v b="$(date +%s.%N)" 'BEGIN {printf "%.0f", b - a}'; }
