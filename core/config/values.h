// Scalars with units: reading them by the schema's type, and writing them back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/config/config.h"

namespace plumb::config {

// A value, or nothing with a hint (may be empty) that says what is probably meant.
template <class T>
struct Read {
  std::optional<T> value;
  std::string hint;
};

// Positions of a run, and whatever is counted up to them, fit into 64 bits with room to add to them.
inline constexpr int64_t kMostPositions = int64_t{1} << 62;

Read<int64_t> read_int(std::string_view);        // 12
Read<int64_t> read_count(std::string_view);      // 2B 500M 1.5K 1e9 1_000; must come out whole
Read<double> read_number(std::string_view);      // 2e-5; finite
Read<double> read_fraction(std::string_view);    // 3% or 0.03
Read<int64_t> read_bytes(std::string_view);      // 16GiB 80GB
Read<double> read_duration(std::string_view);    // 30s 10m 1h30m, in seconds
Read<Interval> read_interval(std::string_view);  // 500 steps, 1B tokens, 1 epoch, 10m
Read<Relative> read_relative(std::string_view);  // 10 or 10%
Read<Span> read_span(std::string_view);          // 2000 steps, 1B tokens, 3%

std::string write_number(double);
std::string write_bytes(int64_t);
std::string write_duration(double seconds);
std::string write_interval(const Interval&);
std::string write_relative(const Relative&);
std::string write_span(const Span&);

// Edits (insert, delete, replace, swap of neighbours) from one word to the other.
int edit_distance(std::string_view, std::string_view);
// The nearest of the words, if it is near enough to be meant.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& words);
// The nearest existing path: the first part that is not there is replaced by the nearest name beside it.
std::optional<std::filesystem::path> nearest_path(const std::filesystem::path& missing);
std::vector<std::string> split_words(std::string_view);  // at spaces

}  // namespace plumb::config
