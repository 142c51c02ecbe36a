// What the room gets from Arrow. Arrow lives in a library of its own (libplumb_arrow.so) that is loaded when a Parquet
// file or an s3:// path is met, with symbols of its own: the libraries of the wheel export a whole OpenSSL and a
// simdjson, which in one scope with the system's would answer for each other. Twins: arrow_module.cpp, no_arrow.cpp.
#pragma once

#include <memory>
#include <string>

namespace plumb::data {

class RowReader;
class Store;

std::string arrow_unavailable();  // "" when Arrow is there, else what is missing
inline constexpr const char* kArrowHint =
    "scripts/setup installs Arrow's libraries (the pyarrow wheel); then build again";

// The names that are looked up in it.
extern "C" {
using ReadParquet = RowReader*(const char* file, const char* const* columns, size_t count);
using OpenStore = Store*();
RowReader* plumb_arrow_read_parquet(const char* file, const char* const* columns, size_t count);
Store* plumb_arrow_open_store();
}

}  // namespace plumb::data
