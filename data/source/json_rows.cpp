#include <simdjson.h>

#include <cstring>

#include "core/error.h"
#include "data/source/rows.h"

namespace plumb::data {

namespace {

std::string too_large() { return "row larger than " + std::to_string(kLargestRow >> 20) + " MiB"; }
bool is_space(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Nesting deeper than any real row is refused before a parser or a destructor recurses into it.
bool too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepestRow) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// What the parser complains about, without what it read: its messages end with the token that it stood in, or hold the
// number, and what stands in a row may be a person's.
//   "[json.exception.parse_error.101] parse error at line 1, column 9: syntax error ...; last read: '"kim@" ..."
std::string kind_of(const nlohmann::json::exception& error) {
  if (!dynamic_cast<const nlohmann::json::parse_error*>(&error)) return "a number out of range";
  std::string what = error.what();
  what.erase(0, what.find("] ") + 2);
  return what.substr(0, what.find("; last read: "));
}

class JsonLines : public RowReader {
 public:
  JsonLines(const std::filesystem::path& file, uint64_t begin, uint64_t end, int64_t line)
      : in_(begin == 0 ? CharReader(file) : CharReader(file, begin - 1, line)), end_(end) {
    // The row that the cut goes through belongs to the range before. A cut right behind a line end goes through none.
    if (begin > 0) take_line(), in_.set_line(line);
  }

  bool next(Row& row) override {
    for (;;) {
      const uint64_t start = in_.position();  // of the first row before a byte order mark
      if (start >= end_ || in_.peek() == CharReader::kEnd) return false;
      row.line = in_.line(), row.offset = in_.position();
      const bool whole = take_line();
      if (line_.find_first_not_of(" \t\r\n") == std::string::npos) continue;
      row.wrong.clear();
      if (whole)
        parse_row(line_, row);
      else
        row.wrong = too_large();
      return true;
    }
  }
  uint64_t consumed() const override { return in_.consumed(); }
  int64_t line() const override { return in_.line(); }

 private:
  bool take_line() {
    line_.clear();
    bool whole = true;
    for (;;) {
      const auto ahead = in_.ahead();
      if (ahead.empty()) return whole;
      const void* end = std::memchr(ahead.data(), '\n', ahead.size());
      const size_t n = end ? static_cast<size_t>(static_cast<const char*>(end) - ahead.data()) : ahead.size();
      if (line_.size() + n > kLargestRow) whole = false;
      if (whole) line_.append(ahead.substr(0, n));
      in_.skip_within_line(n);
      if (end) return in_.get(), whole;
    }
  }

  CharReader in_;
  uint64_t end_;
  std::string line_;
};

// Splits the top level of a JSON file into the texts of its rows, so that a file of any size needs the memory of a row.
class JsonFile : public RowReader {
 public:
  explicit JsonFile(const std::filesystem::path& file) : in_(file) {}

  bool next(Row& row) override {
    row.wrong.clear();
    if (mode_ == Mode::start) open();
    if (mode_ == Mode::array) return next_element(row);
    if (mode_ == Mode::object) return next_member(row);
    if (mode_ == Mode::values) return next_value(row);
    return false;
  }
  uint64_t consumed() const override { return in_.consumed(); }
  int64_t line() const override { return in_.line(); }

 private:
  enum class Mode { start, array, object, values, end } mode_ = Mode::start;

  [[noreturn]] void fail(const std::string& expected) {
    const int c = in_.peek();
    const std::string found = c == CharReader::kEnd ? "the end of the file" : "\"" + std::string(1, char(c)) + "\"";
    fail_input(in_.file().string() + ":" + std::to_string(in_.line()), "expected " + expected + ", found " + found,
               "a .json file holds an array of rows, or an object of rows keyed by id");
  }
  int skip_space() {
    while (is_space(in_.peek())) in_.get();
    return in_.peek();
  }
  void expect(char c) {
    if (skip_space() != c) fail(std::string("\"") + c + "\"");
    in_.get();
  }

  void open() {
    const int c = skip_space();
    if (c == '[')
      mode_ = Mode::array, in_.get();
    else if (c == '{')
      mode_ = Mode::object;
    else if (c == CharReader::kEnd)
      mode_ = Mode::end;
    else
      fail("\"[\" or \"{\"");
  }

  bool next_element(Row& row) {
    if (skip_space() == ']') return finish();
    if (!first_) {
      expect(',');
      skip_space();
    }
    first_ = false;
    row.line = in_.line(), row.offset = in_.position();
    parse_captured(capture(""), row);
    return true;
  }

  // The first member decides: a row -> rows keyed by id; anything else -> the object is a row itself (JSON lines under
  // the name .json).
  bool next_member(Row& row) {
    const int64_t line = in_.line();
    const uint64_t offset = in_.position();
    if (first_) in_.get();
    if (skip_space() == '}') return finish();
    if (!first_) expect(',');
    skip_space();
    row.line = in_.line(), row.offset = in_.position();
    if (in_.peek() != '"') fail("a key");
    const bool key_fits = capture("");
    const std::string key = text_;
    expect(':');
    if (skip_space() != '{' && first_) {
      mode_ = Mode::values, row.line = line, row.offset = offset;
      parse_captured(capture("{" + key + ":", 1), row);
      return true;
    }
    first_ = false;
    parse_captured(capture("") && key_fits, row);
    if (!row.wrong.empty()) return true;
    if (!row.value.is_object()) return row.wrong = "expected an object as row, found another value", true;
    Row id;
    parse_row("[" + key + "]", id);
    if (!id.wrong.empty()) return row.wrong = id.wrong, row.hint = id.hint, true;
    if (!row.value.contains("id")) row.value["id"] = id.value[0];
    return true;
  }

  bool next_value(Row& row) {
    if (skip_space() == CharReader::kEnd) return false;
    row.line = in_.line(), row.offset = in_.position();
    parse_captured(capture(""), row);
    return true;
  }

  bool finish() {
    in_.get();
    if (skip_space() != CharReader::kEnd) fail("the end of the file");
    mode_ = Mode::end;
    return false;
  }

  void parse_captured(bool fits, Row& row) {
    if (fits)
      parse_row(text_, row);
    else
      row.wrong = too_large();
  }

  // Takes one value into text_, `head` being already taken with `depth` open brackets. False: too large, skipped.
  bool capture(std::string head, int64_t depth = 0) {
    text_ = std::move(head);
    bool in_string = false, fits = true;
    for (;;) {
      const int c = in_.peek();
      if (c == CharReader::kEnd) {
        if (depth > 0 || in_string || text_.empty()) fail("the rest of a row");
        return fits;
      }
      if (!in_string && depth == 0 && (c == ',' || c == ']' || c == '}' || is_space(c))) {
        if (text_.empty() && fits) fail("a value");
        return fits;
      }
      in_.get();
      if (text_.size() < kLargestRow)
        text_ += static_cast<char>(c);
      else
        fits = false;
      if (in_string) {
        if (c == '\\' && in_.peek() != CharReader::kEnd) {
          const char escaped = static_cast<char>(in_.get());
          if (fits) text_ += escaped;
        } else if (c == '"') {
          in_string = false;
          if (depth == 0) return fits;
        }
      } else if (c == '"') {
        in_string = true;
      } else if (c == '{' || c == '[') {
        ++depth;
      } else if ((c == '}' || c == ']') && --depth == 0) {
        return fits;
      }
    }
  }

  CharReader in_;
  std::string text_;
  bool first_ = true;
};

}  // namespace

std::string shown_name(std::string_view name) {
  constexpr size_t kLongest = 40, kMostDigits = 4;
  size_t digits = 0;
  bool plain = !name.empty() && name.size() <= kLongest && valid_utf8(name);
  for (const char c : name) {
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
    digits += digit;
    plain = plain && (digit || letter || c == '_' || c == '-' || c == '.');
  }
  return plain && digits <= kMostDigits ? std::string(name) : std::string();
}

bool valid_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

void parse_row(std::string_view text, Row& row) {
  if (too_deep(text)) {
    row.wrong = "nested deeper than " + std::to_string(kDeepestRow) + " levels";
    return;
  }
  try {
    row.value = nlohmann::json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    row.wrong = "not JSON: " + kind_of(error);
    if (!valid_utf8(text)) row.hint = kEncodingHint;
  }
}

std::unique_ptr<RowReader> read_json_lines(const std::filesystem::path& file, uint64_t begin, uint64_t end,
                                           int64_t line) {
  return std::make_unique<JsonLines>(file, begin, end, line);
}
std::unique_ptr<RowReader> read_json(const std::filesystem::path& file) { return std::make_unique<JsonFile>(file); }

}  // namespace plumb::data
