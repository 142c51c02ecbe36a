// The twin of parquet_arrow.cpp for builds without Arrow.
#include "core/error.h"
#include "data/source/parquet.h"

namespace plumb::data {

bool parquet_available() { return false; }

std::unique_ptr<RowReader> read_parquet(const std::filesystem::path& file, const std::vector<std::string>&) {
  fail_input(file.string(), "this build of plumb has no Arrow and cannot read Parquet",
             "scripts/setup installs Arrow's libraries (the pyarrow wheel); then build again");
}

}  // namespace plumb::data
