# Debian packages. Sourced by scripts/setup.

# Ends with a list of what is missing on a system that is not supported: at once, before anything is downloaded.
supported_system() {
  local id='' like='' version='' name=''
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release; echo "${ID:-}") like=$(. /etc/os-release; echo "${ID_LIKE:-}")
    version=$(. /etc/os-release; echo "${VERSION_ID:-}") name=$(. /etc/os-release; echo "${PRETTY_NAME:-}")
  fi
  if [ "$(uname -m)" != x86_64 ]; then
    die "this machine is $(uname -m); plumb is built for x86_64" "use an x86_64 machine"
  fi
  case $id in
    debian) [ -z "$version" ] || [ "${version%%.*}" -ge 12 ] || too_old "$name" ;;
    ubuntu) [ "$(printf '%s\n' 24.04 "$version" | sort -V | head -n 1)" = 24.04 ] || too_old "$name" ;;
    *)
      if [[ " $like " == *" debian "* || " $like " == *" ubuntu "* ]] && command -v apt-get >/dev/null; then
        say "$name is not tested; trying the Debian packages"
      else
        not_supported "${name:-this system}"
      fi ;;
  esac
}

too_old() {
  die "$1 is too old: Debian 12 or newer, or Ubuntu 24.04 or newer" "its compiler and libraries predate C++20"
}

# Says which tools and libraries a foreign system lacks, by the names of their upstream projects.
not_supported() {
  local missing=() tool header
  for tool in g++ cmake ninja pkg-config mpirun mpicxx python3 pdftotext; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  for header in yaml-cpp/yaml.h boost/program_options.hpp spdlog/spdlog.h fmt/core.h nlohmann/json.hpp openssl/evp.h \
    zstd.h zlib.h simdjson.h utf8proc.h pcre2.h xxhash.h unicode/ucnv.h gumbo.h cld2/public/compact_lang_det.h \
    divsufsort64.h gtest/gtest.h; do
    echo "#include <$header>" | g++ -std=c++20 -DPCRE2_CODE_UNIT_WIDTH=8 -fsyntax-only -x c++ - 2>/dev/null ||
      missing+=("$header")
  done
  if [ ${#missing[@]} = 0 ]; then
    say "$1 is not tested, but every tool and header was found"
    return
  fi
  die "$1 is not supported: scripts/setup installs packages on Debian 12+ and Ubuntu 24.04+ only
  missing here: ${missing[*]}" "install them by this system's own means, then run scripts/setup again"
}

missing_packages() {
  local package
  for package in $PLUMB_TOOLS $PLUMB_LIBRARIES; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
    die "installing packages needs root" "run scripts/setup as root, or install sudo"
  fi
}

# The options that make apt read a bundle and nothing else.
bundle_options() {
  local state
  state=$(mktemp -d)
  mkdir -p "$state/lists/partial"
  chmod -R a+rX "$state"
  echo "deb [trusted=yes] copy:$from/debs ./" >"$state/sources.list"
  printf '%s\n' -o "Dir::Etc::SourceList=$state/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o "Dir::State::Lists=$state/lists" -o APT::Sandbox::User=root
}

install_packages() {
  local missing options=()
  supported_system
  command -v dpkg-query >/dev/null || return 0
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} = 0 ]; then
    say "system packages: all there"
    return
  fi
  say "system packages to install: ${missing[*]}"
  if [ -n "$from" ]; then
    check_bundle
    mapfile -t options < <(bundle_options)
  fi
  as_root apt-get "${options[@]}" update -qq ||
    die "apt-get update failed" "is there a network? scripts/setup --from DIR installs without one"
  as_root env LC_ALL=C apt-get "${options[@]}" install --no-install-recommends --assume-no "${missing[@]}" 2>/dev/null |
    grep -E '^(Need to get|After this|[0-9]+ upgraded)' || true
  as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install --no-install-recommends -y -qq \
    "${missing[@]}" >"$root/.setup.log" 2>&1 ||
    { tail -n 20 "$root/.setup.log" >&2; die "apt-get could not install the packages" "the lines above say why"; }
  rm -f "$root/.setup.log"
  say "system packages: installed"
}
