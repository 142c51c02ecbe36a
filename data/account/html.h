// Pieces of a page.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plumb::data::html {

std::string escaped(std::string_view text);
std::string number(int64_t value);               // 1,234,567
std::string share(int64_t part, int64_t whole);  // "12.3 %", "" of nothing
std::string section(const std::string& title, const std::string& body);

// First row: headings. Columns from `numbers` on are set right.
std::string table(const std::vector<std::vector<std::string>>& rows, size_t numbers = 1);

// Bars from left to right, each with its label below and its value above.
struct Bar {
  std::string label;
  int64_t value = 0;
};
std::string bars(const std::vector<Bar>& bars, const std::string& caption);

std::string page(const std::string& title, const std::string& body);

}  // namespace plumb::data::html
