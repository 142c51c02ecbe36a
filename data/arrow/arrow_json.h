// Values of Arrow columns as JSON. Seen only by units that see Arrow (*_arrow.cpp).
#pragma once

#include <arrow/api.h>

#include <nlohmann/json.hpp>
#include <string>

namespace plumb::data {

// Element i: null, bool, number, text (strings, binary that is UTF-8, and whatever JSON has no type for, as Arrow
// prints it), list, object (struct, map with text keys). NaN and infinities are null. `wrong` is set when it cannot be
// one.
bool is_utf8(std::string_view text);
nlohmann::json arrow_json(const arrow::Array& array, int64_t i, std::string& wrong);

}  // namespace plumb::data
