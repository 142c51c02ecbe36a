# A folder from which a machine without a network is set up. Sourced by scripts/setup.
#   bundle.env         for which system and Python it was made
#   debs/              packages with all they need, and an index apt reads
#   wheels/            PyPI wheels
#   texts/             packages of the demo's texts, Translation-en* (package descriptions)
#   SHA256SUMS

system_name() { (. /etc/os-release; echo "${ID}-${VERSION_ID:-testing}"); }

# Every package that `install NAMES` would need on a machine where nothing is installed: apt is shown an empty status.
download_closure() {  # FOLDER NAMES...
  local folder=$1 state
  shift
  state=$(mktemp -d)
  mkdir -p "$folder/partial"
  : >"$state/status"
  apt-get -qq -o "Dir::State::Status=$state/status" -o "Dir::Cache::Archives=$folder" -o Debug::NoLocking=1 \
    -o APT::Install-Recommends=0 -o APT::Sandbox::User= --download-only -y install "$@" >/dev/null ||
    die "apt could not fetch the packages" "apt-get update first; it needs a network"
  rm -rf "$state" "$folder/partial" "$folder/lock"
}

file_names_of_closure() {  # NAMES...
  local state
  state=$(mktemp -d)
  mkdir -p "$state/archives/partial"
  : >"$state/status"
  apt-get -qq -o "Dir::State::Status=$state/status" -o "Dir::Cache::Archives=$state/archives" -o Debug::NoLocking=1 \
    -o APT::Install-Recommends=0 --print-uris -y install "$@" | awk '{print $2}'
  rm -rf "$state"
}

# The index that apt wants of a repository; made here because the tools for it are no part of a plain system.
write_index() {  # FOLDER
  local deb
  (cd "$1" && for deb in *.deb; do
    dpkg-deb -f "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done >Packages)
}

make_bundle() {
  local target name
  mkdir -p "$1/debs"
  target=$(cd "$1" && pwd)
  supported_system
  say "collecting packages"
  if [ $libraries_only = 1 ]; then
    # A program, and the half of a graphical system behind it: PDF files are refused with a hint there.
    download_closure "$target/debs" ${PLUMB_LIBRARIES/poppler-utils/}
    # Shared libraries stay, so that what the -dev packages link to is of the same version.
    for name in $(file_names_of_closure $PLUMB_TOOLS gfortran |
                    grep -vE '^(libssl3|zlib1g|libzstd1|libpcre2-8-0|libicu[0-9]+)'); do
      rm -f "$target/debs/$name"
    done
  else
    download_closure "$target/debs" $PLUMB_TOOLS $PLUMB_LIBRARIES
    collect_texts "$target"
  fi
  write_index "$target/debs"
  if [ $wheels = 1 ]; then collect_wheels "$target"; fi
  { echo "BUNDLE_SYSTEM=$(system_name)"
    echo "BUNDLE_PYTHON=$(ls -d "$root"/.venv/lib/python3* 2>/dev/null | head -n 1 | sed 's/.*python//')"
    echo "BUNDLE_TORCH=$TORCH_VERSION"; } >"$target/bundle.env"
  (cd "$target" && find . -type f ! -name SHA256SUMS ! -path './root/*' -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
  for name in debs wheels texts; do
    [ -d "$target/$name" ] && say "$name: $(find "$target/$name" -type f | wc -l) files, $(du -sh "$target/$name" | cut -f1)"
  done
  say "bundle in $target, for $(system_name); install with scripts/setup --from DIR"
}

collect_texts() {
  local file
  mkdir -p "$1/texts/lists/partial"
  for file in $PLUMB_TEXTS; do
    apt-cache show "$file" >/dev/null 2>&1 || continue  # Ubuntu has no installation guide
    (cd "$1/texts" && apt-get download -qq -o APT::Sandbox::User= "$file" >/dev/null) ||
      die "apt could not fetch $file" "apt-get update first; it needs a network"
  done
  apt-get -qq -o "Dir::State::Lists=$1/texts/lists" -o Acquire::Languages=en -o Debug::NoLocking=1 update >/dev/null 2>&1 || true
  for file in "$1"/texts/lists/*_Translation-en*; do
    [ -e "$file" ] && mv "$file" "$1/texts/"
  done
  rm -rf "$1/texts/lists"
}

collect_wheels() {
  local dependencies=(--no-deps)
  [ $full = 0 ] || dependencies=()
  say "collecting wheels"
  if [ ! -x "$root/.venv/bin/python" ]; then "$(python_for_venv)" -m venv "$root/.venv"; fi
  mkdir -p "$1/wheels"
  "$root/.venv/bin/python" -m pip download --disable-pip-version-check --quiet --no-cache-dir --only-binary=:all: \
    -d "$1/wheels" "${dependencies[@]}" $(wheel_set) || die "pip could not fetch the wheels" "it needs a network"
}

# A bundle is for one release of one system; its files are what they were when it was made.
check_bundle() {
  local BUNDLE_SYSTEM='' BUNDLE_PYTHON='' BUNDLE_TORCH=''
  [ -z "${bundle_checked:-}" ] || return 0
  . "$from/bundle.env"
  if [ $unpack = 0 ] && [ "$BUNDLE_SYSTEM" != "$(system_name)" ]; then
    die "the bundle was made on $BUNDLE_SYSTEM, this machine is $(system_name)" \
      "make it on a machine with the same release; --unpack takes only the libraries and may work across releases"
  fi
  [ $wheels = 0 ] || [ "$BUNDLE_TORCH" = "$TORCH_VERSION" ] ||
    die "the bundle holds torch $BUNDLE_TORCH, scripts/versions.env asks for $TORCH_VERSION" "make the bundle again"
  (cd "$from" && sha256sum --quiet --check SHA256SUMS) >&2 ||
    die "files of the bundle are damaged (above)" "copy it again"
  bundle_checked=1
}

# For machines where nothing may be installed: the libraries in .bundle/root, found through env.sh and a CMake cache.
unpack_bundle() {
  local target=$root/.bundle/root deb lib tool file
  check_bundle
  if [ -e "$target/env.sh" ] && [ "$target/env.sh" -nt "$from/SHA256SUMS" ]; then
    say "packages: already unpacked in .bundle/root"
    return
  fi
  rm -rf "$target"
  mkdir -p "$target"
  for deb in "$from"/debs/*.deb; do dpkg-deb -x "$deb" "$target"; done
  lib=$target/usr/lib/x86_64-linux-gnu
  # What the packages' scripts would have linked.
  for tool in mpirun mpiexec mpicxx mpicc; do
    if [ ! -e "$target/usr/bin/$tool" ]; then ln -s "$tool.openmpi" "$target/usr/bin/$tool"; fi
  done
  for file in "$lib"/openmpi/lib/*.so*; do
    if [ ! -e "$lib/$(basename "$file")" ]; then ln -s "openmpi/lib/$(basename "$file")" "$lib/"; fi
  done
  find "$lib" -maxdepth 1 -name '*.so' -type l | while read -r file; do
    tool=$(readlink "$file")
    if [ ! -e "$file" ] && [ "${tool:0:1}" = / ]; then ln -sf "$target$tool" "$file"; fi
  done
  cat >"$target/env.sh" <<END
export PATH="$target/usr/bin:\$PATH"
export LD_LIBRARY_PATH="$lib:$target/lib/x86_64-linux-gnu\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export OPAL_PREFIX="$target/usr" OPAL_LIBDIR="$lib/openmpi/lib" PMIX_INSTALL_PREFIX="$lib/pmix2"
export OPAL_PKGDATADIR="$target/usr/share/openmpi" OPAL_SYSCONFDIR="$target/etc/openmpi" OMPI_MCA_plm=isolated
export PMIX_MCA_mca_base_component_path="$lib/pmix2/lib/pmix" PMIX_MCA_pcompress_base_silence_warning=1
export PLUMB_INITIAL_CACHE="$target/plumb.cmake"
END
  cat >"$target/plumb.cmake" <<END
set(CMAKE_PREFIX_PATH "$target/usr" CACHE STRING "")
set(CMAKE_LIBRARY_ARCHITECTURE x86_64-linux-gnu CACHE STRING "")
set(MPI_CXX_COMPILER "$target/usr/bin/mpicxx" CACHE FILEPATH "")
set(MPIEXEC_EXECUTABLE "$target/usr/bin/mpirun" CACHE FILEPATH "")
set(ENV{PKG_CONFIG_SYSROOT_DIR} "$target")
set(ENV{PKG_CONFIG_LIBDIR} "$lib/pkgconfig:$target/usr/share/pkgconfig")
END
  say "packages: unpacked into .bundle/root ($(du -sh "$target" | cut -f1))"
}
