// What the schema says to people and editors: docs/config.md, --help, the JSON schema.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/config/load.h"
#include "core/config/peers.h"
#include "core/config/schema.h"
#include "core/config/values.h"

namespace plumb::config {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* number_pattern = "[+-]?(0|[1-9][0-9_]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?";

Json text_like(const std::string& pattern) { return {{"type", "string"}, {"pattern", "^(" + pattern + ")$"}}; }

// Numbers with units are strings to YAML's guess, bare ones numbers: an editor has to take both.
Json type_schema(const Key& key);

Json object_of(const std::vector<Key>& keys) {
  Json object{{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
  Json required = Json::array();
  for (const auto& key : keys) {
    object["properties"][key.address] = type_schema(key);
    if (key.required) required.push_back(key.address);
  }
  if (!required.empty()) object["required"] = required;
  return object;
}

Json number_schema(const Key& key, const char* type) {
  Json schema{{"type", type}};
  if (key.least > -1e300) schema["minimum"] = key.least;
  if (key.most < 1e300) schema["maximum"] = key.most;
  if (key.above > -1e300) schema["exclusiveMinimum"] = key.above;
  if (key.below < 1e300) schema["exclusiveMaximum"] = key.below;
  return schema;
}

Json words_schema(const Key& key) {
  Json words = Json::array();
  bool steps = false;
  for (const auto& word : split_words(key.words)) {
    if (word == "step-N")
      steps = true;
    else
      words.push_back(word);
  }
  if (!steps) return {{"enum", words}};
  return {{"anyOf", Json::array({Json{{"enum", words}}, text_like("step-[0-9]+")})}};
}

Json scalar_schema(const Key& key) {
  const std::string n = number_pattern;
  switch (key.type) {
    case Type::integer:
      return number_schema(key, "integer");
    case Type::count:
      return {{"anyOf", Json::array({number_schema(key, "number"), text_like(n + "[KMBT]?")})}};
    case Type::number:
      return {{"anyOf", Json::array({number_schema(key, "number"), text_like(n)})}};
    case Type::fraction:
      return {{"anyOf", Json::array({number_schema(key, "number"), text_like(n + "%")})}};
    case Type::relative:
      return {{"anyOf", Json::array({number_schema(key, "number"), text_like(n + "%?")})}};
    case Type::bytes:
      return text_like(n + "([KMGT]i?)?B");
    case Type::duration:
      return text_like("([0-9.]+d)?([0-9.]+h)?([0-9.]+m)?([0-9.]+s)?");
    case Type::interval:
      return text_like(n + "[KMBT]? (steps?|tokens?|epochs?)|([0-9.]+[dhms])+");
    case Type::span:
      return text_like(n + "[KMBT]? (steps?|tokens?)|" + n + "%");
    case Type::boolean:
      return {{"type", "boolean"}};
    case Type::word:
      return words_schema(key);
    case Type::text:
    case Type::path:
      return {{"type", "string"}};
    case Type::texts:
      return {{"type", "array"}, {"items", {{"type", "string"}}}};
    case Type::words:
      return {{"type", "array"}, {"items", words_schema(key)}, {"uniqueItems", true}};
    case Type::columns:
      return {{"type", "object"}, {"additionalProperties", {{"type", "string"}}}};
    case Type::items:
      return {{"type", "array"}, {"items", object_of(key.item_keys())}};
  }
  return Json::object();
}

Json type_schema(const Key& key) {
  Json schema = scalar_schema(key);
  Json words = Json::array();
  if (key.may_be_auto) words.push_back("auto");
  if (key.may_be_none) words.push_back("none");
  if (!words.empty()) schema = {{"anyOf", Json::array({schema, Json{{"enum", words}}})}};
  schema["description"] = key.meaning + " Default: " + default_text(key) + ".";
  return schema;
}

// The place of a key in nested objects; groups on the way are made.
Json& place_of(Json& root, const std::string& address) {
  Json* object = &root;
  for (size_t at = 0;;) {
    Json& properties = (*object)["properties"];
    const size_t dot = address.find('.', at);
    const std::string name = address.substr(at, dot - at);
    if (!properties.contains(name) && dot != std::string::npos)
      properties[name] = {{"type", "object"}, {"additionalProperties", false}, {"properties", Json::object()}};
    object = &properties[name];
    if (dot == std::string::npos) return *object;
    at = dot + 1;
  }
}

std::string escaped(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.replace(at, 1, "\\|");
  return text;
}

// "int; 1 to 3" and the words of an enum.
std::string type_text(const Key& key) {
  std::string text = type_name(key.type);
  std::string words;
  for (const auto& word : split_words(key.words)) words += (words.empty() ? "`" : " `") + word + "`";
  if (!words.empty()) text += ": " + words;
  const std::string expected = expected_text(key);
  if (key.words.empty())
    for (const char* start : {" of at least", " between", " above", " of at most"})
      if (const size_t at = expected.find(start); at != std::string::npos)
        text += expected.substr(at, expected.find(',', at) - at);
  if (key.may_be_auto) text += ", `auto`";
  if (key.may_be_none) text += ", `none`";
  return text;
}

std::string row(const Key& key, const std::string& address) {
  const bool literal = !key.fallback.empty() && !key.required && key.default_note.empty();
  return fmt::format("| `{}`{} | {} | {} | {} | {} |\n", address, key.pace ? " P" : "", escaped(type_text(key)),
                     literal ? "`" + key.fallback + "`" : default_text(key), escaped(key.meaning),
                     peers_text(key.peers));
}

constexpr const char* page_start = R"(# Configuration

This page is written from the schema in `core/config`; a test compares the two. One file is one run. It has eight
sections: `model tokenizer data method train parallel output eval`; a key has one address, `section.key`.

- Precedence: default < preset or base < YAML < command line (`section.key=value`; `section.key=default` takes a value
  out). `plumb config show FILE` prints every value with its origin, `plumb config check FILE` all mistakes at once.
- Paths in a file are relative to that file, on the command line to the current folder; `~/` is home.
- Environment variables never set a key; an unknown `PLUMB_*` variable is an error.
- P marks keys of place and pace, which may change when a run goes on. Other keys of `model tokenizer data method train`
  change the weights: they must be equal, or be named in `train.accept_changes`.

## Types

| type | written as |
|---|---|
| int | `12`; no leading zeros, no quotes |
| count | `2B`, `500M`, `1.5K`, `1e9`, `1_000`; decimal, must come out whole |
| float | `2e-5`; finite |
| fraction | `3%` or `0.03` |
| bytes | `16GiB`, `80GB`; the unit is needed |
| duration | `30s`, `10m`, `1h30m`; the unit is needed, m is minutes |
| interval | `500 steps`, `1B tokens`, `1 epoch`, `10m`; the unit is needed |
| relative | a number in the thing's own unit, or a percentage |
| span | `2000 steps`, `1B tokens`, or a percentage of the length |
| bool | `true`, `false` |
| enum | one of the words shown |
| text, path | any text; no `$` in a path |

Refused: unknown, duplicate and empty keys, merge keys `<<`, tags, cyclic aliases, tabs, a second document, bytes that
are not UTF-8, numbers that are not finite. A key that can have no effect is an error in a file and a warning when an
override made it so.
)";

}  // namespace

Json json_schema() {
  Json root{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
            {"title", "plumb configuration"},
            {"type", "object"},
            {"additionalProperties", false},
            {"properties", Json::object()}};
  for (const auto& key : all_keys()) place_of(root, key.address) = type_schema(key);
  return root;
}

std::string docs_page() {
  std::string text = page_start;
  std::string section;
  for (const auto& key : all_keys()) {
    if (const std::string own = key.address.substr(0, key.address.find('.')); own != section) {
      section = own;
      text +=
          fmt::format("\n## {}\n\n| key | type | default | meaning | elsewhere |\n|---|---|---|---|---|\n", section);
    }
    text += row(key, key.address);
    if (key.type != Type::items) continue;
    // Sources are described once.
    if (key.address == "data.validation" || key.address == "data.replay.sources") continue;
    for (const auto& part : key.item_keys()) text += row(part, key.address + "[]." + part.address);
  }
  return text;
}

std::string help_keys(const std::string& section) {
  std::string text;
  for (const auto& key : all_keys()) {
    if (!section.empty() && !key.address.starts_with(section + ".")) continue;
    text +=
        fmt::format("  {:<34} {:<13} {:<28} {}\n", key.address, type_name(key.type), default_text(key), key.meaning);
  }
  return text;
}

}  // namespace plumb::config
