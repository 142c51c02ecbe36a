// The weights of an export: one safetensors file, or shards with their index.
#pragma once
#include <filesystem>

#include "trainer/export/export.h"

namespace plumb::exporting {

struct WrittenTensors {
  int64_t bytes = 0;
  double largest_rounding = 0;
  std::optional<MergeError> merge;
};

// Streams: a few megabytes at a time, whatever the model's size. The set of names is exactly the family's.
WrittenTensors write_tensors(const ExportRequest&, const std::filesystem::path& folder);

}  // namespace plumb::exporting
