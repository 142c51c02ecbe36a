#include "trainer/formats/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"

namespace plumb::formats {
namespace {

struct DtypeRow {
  Dtype dtype;
  const char* name;
  int64_t size;
};
constexpr std::array<DtypeRow, 15> kDtypes{{{Dtype::boolean, "BOOL", 1},
                                            {Dtype::u8, "U8", 1},
                                            {Dtype::i8, "I8", 1},
                                            {Dtype::f8_e5m2, "F8_E5M2", 1},
                                            {Dtype::f8_e4m3, "F8_E4M3", 1},
                                            {Dtype::i16, "I16", 2},
                                            {Dtype::u16, "U16", 2},
                                            {Dtype::f16, "F16", 2},
                                            {Dtype::bf16, "BF16", 2},
                                            {Dtype::i32, "I32", 4},
                                            {Dtype::u32, "U32", 4},
                                            {Dtype::f32, "F32", 4},
                                            {Dtype::f64, "F64", 8},
                                            {Dtype::i64, "I64", 8},
                                            {Dtype::u64, "U64", 8}}};

constexpr size_t kMaxRank = 64;
constexpr const char* kDamaged = "the file is damaged or was not written by safetensors; fetch or export it again";

// Printable form of a name from outside, cut to a readable length.
std::string shown(const std::string& name) {
  const std::string text = nlohmann::json(name).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() <= 120 ? text : text.substr(0, 117) + "...";
}

// Streaming reader of exactly this grammar, so that nothing deeper or larger is ever built:
//   { "__metadata__": {text: text}, NAME: {"dtype": text, "shape": [n...], "data_offsets": [n, n]}, ... }
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(SafetensorsHeader& out, const std::string& file) : out_(out), file_(file) {}

  bool start_object(size_t) override {
    if (place_ == Place::start) return go(Place::top);
    if (place_ == Place::metadata_value) return go(Place::metadata);
    if (place_ == Place::entry_value) return go(Place::entry);
    unexpected("an object");
  }
  bool end_object() override {
    if (place_ == Place::metadata) return go(Place::top);
    if (place_ == Place::entry) return end_entry();
    return go(Place::done);
  }
  bool key(std::string& text) override {
    if (place_ == Place::top) return top_key(text);
    if (place_ == Place::metadata) {
      if (out_.metadata.count(text)) refuse(fmt::format("the metadata key {} stands twice", shown(text)));
      metadata_key_ = text;
      return go(Place::metadata_text);
    }
    return entry_key(text);
  }
  bool string(std::string& text) override {
    if (place_ == Place::metadata_text) {
      out_.metadata.emplace(metadata_key_, text);
      return go(Place::metadata);
    }
    if (place_ != Place::dtype) unexpected("a text");
    const auto dtype = dtype_named(text);
    if (!dtype) {
      refuse("the dtype " + shown(text) + " is not supported",
             "BOOL, 8 to 64 bit integers, F8, F16, BF16, F32 and F64 are");
    }
    entry_.dtype = *dtype;
    return go(Place::entry);
  }
  bool start_array(size_t) override {
    if (place_ == Place::shape) return go(Place::dimension);
    if (place_ == Place::offsets) return go(Place::offset);
    unexpected("an array");
  }
  bool end_array() override {
    if (place_ == Place::offset && offsets_.size() != 2) {
      refuse(fmt::format("expected two data_offsets, found {}", offsets_.size()));
    }
    return go(Place::entry);
  }
  bool number_unsigned(uint64_t value) override {
    if (place_ == Place::dimension) {
      if (entry_.shape.size() == kMaxRank) refuse(fmt::format("more than {} dimensions", kMaxRank));
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        refuse(fmt::format("the dimension {} is too large", value));
      }
      entry_.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (place_ != Place::offset) unexpected("a number");
    if (offsets_.size() == 2) refuse("expected two data_offsets, found more");
    offsets_.push_back(value);
    return true;
  }
  bool number_integer(int64_t value) override { unexpected(fmt::format("the negative number {}", value)); }
  bool number_float(double, const std::string& text) override { unexpected("the number " + shown(text)); }
  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { unexpected("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    refuse(fmt::format(
        "the header is not valid JSON at byte {}: {}", position,
        nlohmann::json(std::string(error.what())).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace)));
  }

 private:
  enum class Place {
    start,
    top,
    metadata_value,
    metadata,
    metadata_text,
    entry_value,
    entry,
    dtype,
    shape,
    dimension,
    offsets,
    offset,
    done
  };

  bool go(Place place) {
    place_ = place;
    return true;
  }
  bool top_key(const std::string& text) {
    tensor_.clear();
    if (text == "__metadata__") {
      if (metadata_seen_) refuse("__metadata__ stands twice");
      metadata_seen_ = true;
      return go(Place::metadata_value);
    }
    tensor_ = text;
    if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; })) {
      refuse("the name has a control character");
    }
    entry_ = TensorEntry{};
    entry_.name = text;
    offsets_.clear();
    has_dtype_ = has_shape_ = has_offsets_ = false;
    return go(Place::entry_value);
  }
  bool entry_key(const std::string& text) {
    bool* seen = text == "dtype"          ? &has_dtype_
                 : text == "shape"        ? &has_shape_
                 : text == "data_offsets" ? &has_offsets_
                                          : nullptr;
    if (!seen) refuse("expected dtype, shape and data_offsets, found " + shown(text));
    if (*seen) refuse("the key " + text + " stands twice");
    *seen = true;
    return go(seen == &has_dtype_ ? Place::dtype : seen == &has_shape_ ? Place::shape : Place::offsets);
  }
  bool end_entry() {
    if (!has_dtype_ || !has_shape_ || !has_offsets_) {
      refuse(std::string("expected dtype, shape and data_offsets, found no ") + (!has_dtype_   ? "dtype"
                                                                                 : !has_shape_ ? "shape"
                                                                                               : "data_offsets"));
    }
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    out_.entries.push_back(std::move(entry_));
    return go(Place::top);
  }
  [[noreturn]] void unexpected(const std::string& found) const {
    const char* expected = "the end";
    switch (place_) {
      case Place::start:
        expected = "an object";
        break;
      case Place::top:
      case Place::metadata:
      case Place::entry:
        expected = "a key";
        break;
      case Place::metadata_value:
        expected = "an object of texts in __metadata__";
        break;
      case Place::metadata_text:
        expected = "a text in __metadata__";
        break;
      case Place::entry_value:
        expected = "an object with dtype, shape and data_offsets";
        break;
      case Place::dtype:
        expected = "a text as dtype";
        break;
      case Place::shape:
        expected = "an array as shape";
        break;
      case Place::dimension:
        expected = "a whole number as dimension";
        break;
      case Place::offsets:
        expected = "an array as data_offsets";
        break;
      case Place::offset:
        expected = "a whole number as offset";
        break;
      case Place::done:
        break;
    }
    refuse(fmt::format("expected {}, found {}", expected, found));
  }
  [[noreturn]] void refuse(const std::string& message, const std::string& hint = kDamaged) const {
    fail_input(tensor_.empty() ? file_ : file_ + ": tensor " + shown(tensor_), message, hint);
  }

  SafetensorsHeader& out_;
  const std::string& file_;
  Place place_ = Place::start;
  std::string tensor_, metadata_key_;
  TensorEntry entry_;
  std::vector<uint64_t> offsets_;
  bool metadata_seen_ = false, has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
};

void check_names(const std::vector<TensorEntry>& entries, const std::string& file) {
  std::vector<const std::string*> names;
  names.reserve(entries.size());
  for (const auto& entry : entries) names.push_back(&entry.name);
  std::sort(names.begin(), names.end(), [](auto* a, auto* b) { return *a < *b; });
  const auto twice = std::adjacent_find(names.begin(), names.end(), [](auto* a, auto* b) { return *a == *b; });
  if (twice != names.end())
    fail_input(file + ": tensor " + shown(**twice), "the name stands twice in the header", kDamaged);
}

// No holes, no overlap, sizes that follow from shape and dtype, and the last tensor ends where the file ends.
void check_layout(const std::vector<TensorEntry>& entries, uint64_t data_bytes, const std::string& file) {
  uint64_t expected = 0;
  for (const auto& entry : entries) {
    const std::string where = file + ": tensor " + shown(entry.name);
    const auto size = checked_bytes(entry.dtype, entry.shape);
    if (!size) fail_input(where, "its shape has more elements than can be counted", kDamaged);
    if (entry.begin > entry.end) {
      fail_input(where, fmt::format("it begins at byte {} and ends before, at {}", entry.begin, entry.end), kDamaged);
    }
    if (entry.begin != expected) {
      fail_input(
          where,
          fmt::format("expected to begin at byte {}, where the one before ends, found {}", expected, entry.begin),
          kDamaged);
    }
    if (entry.end - entry.begin != *size) {
      fail_input(where,
                 fmt::format("expected {} bytes for its shape and dtype, found {}", *size, entry.end - entry.begin),
                 kDamaged);
    }
    expected = entry.end;
  }
  if (expected != data_bytes) {
    fail_input(file, fmt::format("expected {} bytes of tensors after the header, found {}", expected, data_bytes),
               expected > data_bytes ? "the file was cut off; fetch or export it again"
                                     : "something was appended to the file");
  }
}

}  // namespace

int64_t size_of(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].size; }
std::string name_of(Dtype dtype) { return kDtypes[static_cast<size_t>(dtype)].name; }

std::optional<Dtype> dtype_named(std::string_view name) {
  for (const auto& row : kDtypes) {
    if (name == row.name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<uint64_t> checked_bytes(Dtype dtype, const std::vector<int64_t>& shape) {
  uint64_t bytes = static_cast<uint64_t>(size_of(dtype));
  for (const int64_t dimension : shape) {
    if (dimension < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(dimension), &bytes)) return std::nullopt;
  }
  return bytes;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& file) {
  if (json.empty() || json.front() != '{') fail_input(file, "the header does not begin with '{'", kDamaged);
  // Padding is spaces only: anything else behind the object could be read differently by another reader.
  const size_t last = json.find_last_not_of(' ');
  json = json.substr(0, last + 1);
  if (json.back() != '}') fail_input(file, "the header does not end with '}' and spaces", kDamaged);
  SafetensorsHeader header;
  HeaderReader reader(header, file);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  check_names(header.entries, file);
  std::stable_sort(header.entries.begin(), header.entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_layout(header.entries, data_bytes, file);
  return header;
}

}  // namespace plumb::formats
