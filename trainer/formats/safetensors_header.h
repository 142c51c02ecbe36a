// The JSON header of a safetensors file, believed only after every rule of the format holds.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "trainer/formats/safetensors.h"

namespace plumb::formats {

struct SafetensorsHeader {
  std::vector<TensorEntry> entries;  // by offset
  std::map<std::string, std::string> metadata;
};

// `json` is the header without its length; `data_bytes` what follows it in the file. Errors name `file` and the tensor.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& file);

// Bytes of a tensor, nullopt when the product does not fit.
std::optional<uint64_t> checked_bytes(Dtype, const std::vector<int64_t>& shape);

}  // namespace plumb::formats
