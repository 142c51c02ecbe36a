#include "core/json.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/files.h"

// Declared in the precompiled headers (cmake/std_pch.h), so that no other unit compiles it again.
template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace plumb::core {
namespace {

using Json = nlohmann::ordered_json;

// Builds the value from the parser's events, so that depth and duplicate keys are refused while reading: the library's
// own tree builder recurses without limit when it destroys a value and keeps the last of two equal keys.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Json result;
  std::string problem;
  size_t problem_at = 0;  // bytes read; 0 = take the parser's position

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return refuse("found binary data"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    if (!frames_.back().keys.insert(name).second)
      return refuse("found the key \"" + shorten(name) + "\" twice in one object");
    frames_.back().key = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    problem_at = position;
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." - our place is said in front.
    const std::string text = error.what();
    const size_t colon = text.find(": ");
    problem = "not valid JSON: " + (colon == std::string::npos ? text : text.substr(colon + 2));
    return false;
  }

 private:
  struct Frame {
    Json value;
    std::string key;
    std::unordered_set<std::string> keys;
  };
  std::vector<Frame> frames_;

  static std::string shorten(const std::string& text) { return text.size() > 80 ? text.substr(0, 80) + "..." : text; }

  bool refuse(std::string text) {
    problem = std::move(text);
    return false;
  }

  bool add(Json value) {
    if (frames_.empty()) {
      result = std::move(value);
    } else if (Frame& top = frames_.back(); top.value.is_array()) {
      top.value.push_back(std::move(value));
    } else {
      // Not operator[]: an ordered object would search all keys again. The set above has already ruled a twin out.
      top.value.get_ref<Json::object_t&>().push_back({std::move(top.key), std::move(value)});
    }
    return true;
  }

  bool open(Json value) {
    if (frames_.size() >= static_cast<size_t>(max_json_depth))
      return refuse("expected at most " + std::to_string(max_json_depth) + " levels of nesting");
    frames_.push_back({std::move(value), {}, {}});
    return true;
  }

  bool close() {
    Json value = std::move(frames_.back().value);
    frames_.pop_back();
    return add(std::move(value));
  }
};

// Counts the bytes the parser has taken, so that a refusal of ours has a place too.
struct CountingIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  const char* at = nullptr;
  size_t* taken = nullptr;
  reference operator*() const { return *at; }
  CountingIterator& operator++() {
    ++at;
    if (taken) ++*taken;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at == other.at; }
  bool operator!=(const CountingIterator& other) const { return at != other.at; }
};

}  // namespace

Json parse_json(std::string_view text, const std::string& where) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Builder builder;
  size_t taken = 0;
  const bool good = Json::sax_parse(CountingIterator{text.data(), &taken},
                                    CountingIterator{text.data() + text.size(), nullptr}, &builder);
  if (good) return std::move(builder.result);
  const size_t bytes = std::min(builder.problem_at > 0 ? builder.problem_at : taken, text.size());
  const std::string_view before = text.substr(0, bytes > 0 ? bytes - 1 : 0);
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t newline = before.rfind('\n');
  const size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  fail_input(where + ":" + std::to_string(line) + ":" + std::to_string(column),
             builder.problem + " (byte " + std::to_string(bytes) + ")");
}

Json parse_json_file(const std::filesystem::path& file, uint64_t limit) {
  return parse_json(read_text(file, limit), file.string());
}

}  // namespace plumb::core
