// Rows of the containers, streamed: JSON lines, JSON (array, or object keyed by id), CSV. No row may take more than
// kLargestRow of memory; a longer one is reported as malformed and skipped.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/source/bytes.h"

namespace plumb::data {

inline constexpr size_t kLargestRow = size_t{64} << 20;
inline constexpr int kDeepestRow = 256;

// What one row is: an object, or the reason why it is not one.
struct Row {
  nlohmann::json value;
  std::string wrong;  // empty: fine
  std::string hint;   // what helps where it is wrong; may be empty
  int64_t line = 0;   // where it starts
  uint64_t offset = 0;
};

class RowReader {
 public:
  virtual ~RowReader() = default;
  virtual bool next(Row&) = 0;                    // false at the end; Error for damage
  virtual bool goes_on() const { return false; }  // after an Error: whether next() gives rows that stand behind it
  virtual uint64_t consumed() const = 0;
  virtual int64_t line() const = 0;  // where reading stands: what an Error of next() is about
};

// The rows whose first byte lies in [begin, end), the first of them on line `line`.
std::unique_ptr<RowReader> read_json_lines(const std::filesystem::path& file, uint64_t begin = 0, uint64_t end = ~0ull,
                                           int64_t line = 1);
std::unique_ptr<RowReader> read_json(const std::filesystem::path& file);
// A header of one column that is none of `used` and holds what other tables separate columns by is an Error.
std::unique_ptr<RowReader> read_csv(const std::filesystem::path& file, char separator,
                                    const std::vector<std::string>& used);

// The name of a column as messages may show it; "" when it has the form of a value (in a table without a header row the
// first row's values stand where names do, and no value of a row may get into a message).
std::string shown_name(std::string_view name);

// Parses the text of one row (strict JSON, valid UTF-8, nesting bounded) into row.value or row.wrong.
void parse_row(std::string_view text, Row& row);
bool valid_utf8(std::string_view text);
// For what was not written in UTF-8, be it a whole file or a row.
inline constexpr const char* kEncodingHint =
    "convert it from what it was written in: iconv -f CP949 -t UTF-8 (Korean), -f WINDOWS-1252 (Western Europe), ...";

}  // namespace plumb::data
