#include "trainer/families/fields.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <utility>

#include "core/error.h"

namespace plumb::families {
namespace {

constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max() - 1;

std::string shown(const nlohmann::ordered_json& value) {
  const std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() <= 80 ? text : text.substr(0, 77) + "...";
}

std::optional<int64_t> whole(const nlohmann::ordered_json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()})
    return std::nullopt;
  return value.get<int64_t>();
}

}  // namespace

Fields::Fields(const nlohmann::ordered_json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) fail_input(where_, "expected a JSON object, found " + shown(object));
}

const nlohmann::ordered_json* Fields::find(const char* key) const {
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void Fields::wrong(const char* key, const std::string& expected, const std::string& hint) const {
  const auto* value = find(key);
  fail_input(where_, fmt::format("{}: expected {}, found {}", key, expected, value ? shown(*value) : "nothing"), hint);
}

int64_t Fields::integer(const char* key, int64_t least, int64_t most) const {
  const auto* value = find(key);
  const auto number = value ? whole(*value) : std::nullopt;
  if (!number || *number < least || *number > most) wrong(key, fmt::format("an int from {} to {}", least, most));
  return *number;
}

int64_t Fields::integer(const char* key, int64_t otherwise, int64_t least, int64_t most) const {
  return has(key) ? integer(key, least, most) : otherwise;
}

double Fields::number(const char* key, double otherwise) const {
  const auto* value = find(key);
  if (!value) return otherwise;
  if (!value->is_number() || !std::isfinite(value->get<double>())) wrong(key, "a number");
  return value->get<double>();
}

bool Fields::boolean(const char* key, bool otherwise) const {
  const auto* value = find(key);
  if (!value) return otherwise;
  if (!value->is_boolean()) wrong(key, "true or false");
  return value->get<bool>();
}

std::string Fields::text(const char* key, const std::string& otherwise) const {
  const auto* value = find(key);
  if (!value) return otherwise;
  if (!value->is_string()) wrong(key, "a text");
  return value->get<std::string>();
}

std::vector<std::string> Fields::texts(const char* key) const {
  const auto* value = find(key);
  std::vector<std::string> out;
  if (!value) return out;
  if (!value->is_array()) wrong(key, "a list of texts");
  for (const auto& item : *value) {
    if (!item.is_string()) wrong(key, "a list of texts");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::vector<int32_t> Fields::token_ids(const char* key) const {
  const auto* value = find(key);
  std::vector<int32_t> out;
  if (!value) return out;
  const auto add = [&](const nlohmann::ordered_json& item) {
    const auto id = whole(item);
    if (!id || *id < 0 || *id > kLargestId) wrong(key, "a token id or a list of token ids");
    out.push_back(static_cast<int32_t>(*id));
  };
  if (!value->is_array()) {
    add(*value);
  } else {
    for (const auto& item : *value) add(item);
  }
  return out;
}

}  // namespace plumb::families
