// The twin of arrow_module.cpp for builds without Arrow.
#include "core/error.h"
#include "data/arrow/module.h"
#include "data/source/parquet.h"
#include "data/store/store.h"

namespace plumb::data {

std::string arrow_unavailable() {
  return "this build of plumb has no Arrow, which reads Parquet files and object stores";
}

std::unique_ptr<RowReader> read_parquet(const std::filesystem::path& file, const std::vector<std::string>&) {
  fail_input(file.string(), arrow_unavailable(), kArrowHint);
}

std::shared_ptr<Store> Store::of(std::string_view path) {
  fail_input(std::string(path), arrow_unavailable(), kArrowHint);
}

}  // namespace plumb::data
