// Rows of a Parquet file, streamed by row group (data/arrow).
#pragma once

#include "data/source/rows.h"

namespace plumb::data {

// `columns`: those wanted, by name or by a path of names joined by dots; empty: all. A column that is not there is no
// error here, since a row without it says so.
std::unique_ptr<RowReader> read_parquet(const std::filesystem::path& file, const std::vector<std::string>& columns);

}  // namespace plumb::data
