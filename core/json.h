// JSON from outside: strict, bounded, with errors that name the place.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace plumb::core {

inline constexpr int max_json_depth = 256;

// Refused with Error(bad_input) naming `where`, line and column: anything that is not one JSON value, nesting deeper
// than max_json_depth, a key twice in one object, invalid UTF-8, numbers outside the range of a double.
nlohmann::ordered_json parse_json(std::string_view text, const std::string& where);
nlohmann::ordered_json parse_json_file(const std::filesystem::path& file, uint64_t limit = uint64_t{1} << 30);

}  // namespace plumb::core
