// The twin of s3_arrow.cpp for builds without Arrow.
#include "core/error.h"
#include "data/store/store.h"

namespace plumb::data {

std::shared_ptr<Store> Store::of(std::string_view path) {
  fail_input(std::string(path), "this build of plumb has no Arrow and cannot read from an object store",
             "scripts/setup installs Arrow's libraries (the pyarrow wheel); then build again");
}

}  // namespace plumb::data
