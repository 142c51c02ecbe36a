// Words of scripts that are written without spaces.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace plumb::data {

// Calls take(begin, end) for each word of `run`, by ICU's word iterator and its dictionaries.
void divide_by_dictionary(std::string_view run, const std::function<void(size_t, size_t)>& take);

}  // namespace plumb::data
