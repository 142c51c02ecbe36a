// A value inside a JSON file, with its place, so that every mistake can be said with file and place.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/error.h"

namespace plumb::data {

class JsonPlace {
 public:
  JsonPlace(const nlohmann::ordered_json& value, std::string file, std::string path = "")
      : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

  const nlohmann::ordered_json& value() const { return *value_; }
  std::string where() const { return path_.empty() ? file_ : file_ + ": " + path_; }
  [[noreturn]] void fail(const std::string& message, const std::string& hint = "") const {
    fail_input(where(), message, hint);
  }
  [[noreturn]] void expected(const char* what) const {
    auto found = value_->is_structured() ? std::string(value_->type_name()) : value_->dump();
    if (found.size() > 60) found = found.substr(0, 57) + "...";
    fail(fmt::format("expected {}, found {}", what, found));
  }

  bool is_null() const { return value_->is_null(); }
  size_t size() const { return value_->size(); }
  const JsonPlace& object() const {
    if (!value_->is_object()) expected("an object");
    return *this;
  }
  const JsonPlace& array() const {
    if (!value_->is_array()) expected("an array");
    return *this;
  }
  JsonPlace operator[](size_t index) const { return {(*value_)[index], file_, fmt::format("{}[{}]", path_, index)}; }
  std::optional<JsonPlace> find(const std::string& key) const {  // null counts as absent
    object();
    const auto found = value_->find(key);
    if (found == value_->end() || found->is_null()) return std::nullopt;
    return JsonPlace(*found, file_, child(key));
  }
  JsonPlace at(const std::string& key) const {
    const auto found = find(key);
    if (!found) fail(fmt::format("expected the key \"{}\", found none", key));
    return *found;
  }
  std::string child(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  JsonPlace member(const std::string& key, const nlohmann::ordered_json& value) const {
    return {value, file_, child(key)};
  }

  const std::string& text() const {
    if (!value_->is_string()) expected("a string");
    return value_->get_ref<const std::string&>();
  }
  bool boolean() const {
    if (!value_->is_boolean()) expected("true or false");
    return value_->get<bool>();
  }
  int64_t integer(int64_t least, int64_t most) const {
    if (!value_->is_number_integer() ||
        (value_->is_number_unsigned() && value_->get<uint64_t>() > uint64_t{INT64_MAX}) ||
        value_->get<int64_t>() < least || value_->get<int64_t>() > most)
      expected(fmt::format("an integer from {} to {}", least, most).c_str());
    return value_->get<int64_t>();
  }
  bool boolean(const std::string& key, bool otherwise) const {
    const auto found = find(key);
    return found ? found->boolean() : otherwise;
  }
  std::string text(const std::string& key, const std::string& otherwise) const {
    const auto found = find(key);
    return found ? found->text() : otherwise;
  }

 private:
  const nlohmann::ordered_json* value_;
  std::string file_, path_;
};

}  // namespace plumb::data
