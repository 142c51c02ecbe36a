#include "core/config/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/config/values.h"

namespace plumb::config {
namespace {

// "data.sources[2].path" -> "data.sources[].path"
std::string without_indices(const std::string& address) {
  std::string text;
  bool inside = false;
  for (const char c : address) {
    if (c == ']') inside = false;
    if (!inside) text += c;
    if (c == '[') inside = true;
  }
  return text;
}

struct Index {
  std::map<std::string, const Key*> keys;
  std::set<std::string> groups;

  Index() {
    for (const auto& key : all_keys()) {
      keys[key.address] = &key;
      for (size_t dot = key.address.find('.'); dot != std::string::npos; dot = key.address.find('.', dot + 1))
        groups.insert(key.address.substr(0, dot));
      if (key.type != Type::items) continue;
      for (const auto& part : key.item_keys()) keys[key.address + "[]." + part.address] = &part;
    }
  }
};

const Index& index() {
  static const Index table;
  return table;
}

std::string range_text(const Key& key) {
  const auto write = [](double value) { return write_number(value); };
  const bool low = key.least > -1e300, high = key.most<1e300, above = key.above> - 1e300, below = key.below < 1e300;
  if (low && high) return fmt::format(" between {} and {}", write(key.least), write(key.most));
  if (low && below) return fmt::format(" of at least {} and below {}", write(key.least), write(key.below));
  if (above && below) return fmt::format(" above {} and below {}", write(key.above), write(key.below));
  if (above && high) return fmt::format(" above {} and at most {}", write(key.above), write(key.most));
  if (low) return fmt::format(" of at least {}", write(key.least));
  if (above) return fmt::format(" above {}", write(key.above));
  if (high) return fmt::format(" of at most {}", write(key.most));
  return "";
}

std::string list_words(const std::string& words) {
  std::string text;
  for (const auto& word : split_words(words)) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

const std::vector<std::string>& sections() {
  static const std::vector<std::string> names = {"model", "tokenizer", "data",   "method",
                                                 "train", "parallel",  "output", "eval"};
  return names;
}

std::vector<Key> joined(std::vector<std::vector<Key>> parts) {
  std::vector<Key> all;
  for (auto& part : parts)
    for (auto& key : part) all.push_back(std::move(key));
  return all;
}

const std::vector<Key>& all_keys() {
  static const std::vector<Key> keys =
      joined({model_keys(), data_keys(), method_keys(), train_keys(), parallel_keys(), output_keys(), eval_keys()});
  return keys;
}

const Key* find_key(const std::string& address) {
  const auto found = index().keys.find(without_indices(address));
  return found == index().keys.end() ? nullptr : found->second;
}

bool is_group(const std::string& address) { return index().groups.contains(address); }

std::vector<std::string> all_addresses() {
  std::vector<std::string> names;
  for (const auto& [address, key] : index().keys) names.push_back(address);
  for (const auto& group : index().groups) names.push_back(group);
  return names;
}

std::optional<std::string> planned(const std::string& address) {
  static const std::set<std::string> later = {"model.rope_scaling",
                                              "model.num_experts",
                                              "model.num_experts_per_tok",
                                              "model.router_aux_loss",
                                              "method.quantize_base",
                                              "method.lora.scaling",
                                              "method.lora.learning_rate_ratio",
                                              "method.lora.extra_trained",
                                              "method.preference",
                                              "method.train_only",
                                              "method.neftune_alpha",
                                              "method.grpo",
                                              "method.distill",
                                              "train.on_spike",
                                              "train.spike_sigma",
                                              "parallel.pipeline",
                                              "parallel.context",
                                              "parallel.expert",
                                              "parallel.tensor",
                                              "parallel.reproducible",
                                              "parallel.virtual_ranks",
                                              "parallel.pipeline_schedule",
                                              "parallel.context_method",
                                              "parallel.offload",
                                              "parallel.check_replicas",
                                              "parallel.reduce_dtype",
                                              "output.checkpoint.async",
                                              "output.card",
                                              "output.cost",
                                              "eval.early_stopping",
                                              "eval.pass[].significant"};
  const std::string name = without_indices(address);
  if (!later.contains(name)) return std::nullopt;
  return name + " is planned, not in this release";
}

std::string type_name(Type type) {
  switch (type) {
    case Type::integer:
      return "int";
    case Type::count:
      return "count";
    case Type::number:
      return "float";
    case Type::fraction:
      return "fraction";
    case Type::bytes:
      return "bytes";
    case Type::duration:
      return "duration";
    case Type::interval:
      return "interval";
    case Type::relative:
      return "relative";
    case Type::span:
      return "span";
    case Type::boolean:
      return "bool";
    case Type::word:
      return "enum";
    case Type::text:
      return "text";
    case Type::path:
      return "path";
    case Type::texts:
      return "list of text";
    case Type::words:
      return "list of enum";
    case Type::columns:
      return "map";
    case Type::items:
      return "list of map";
  }
  return "";
}

std::string expected_text(const Key& key) {
  const auto with_words = [&](std::string text) {
    if (key.may_be_auto) text += ", or auto";
    if (key.may_be_none) text += ", or none";
    return text;
  };
  switch (key.type) {
    case Type::integer:
      return with_words("an int" + range_text(key));
    case Type::count:
      return with_words("a count (500M, 2B, 1e9)" + range_text(key));
    case Type::number:
      return with_words("a number" + range_text(key));
    case Type::fraction:
      return with_words("a fraction (3% or 0.03)" + range_text(key));
    case Type::bytes:
      return with_words("bytes with a unit (16GiB, 80GB)" + range_text(key));
    case Type::duration:
      return with_words("a duration with a unit (30s, 10m, 1h30m)" + range_text(key));
    case Type::interval:
      return with_words("an interval with a unit (500 steps, 1B tokens, 1 epoch, 10m)" + range_text(key));
    case Type::relative:
      return with_words("a number or a percentage" + range_text(key));
    case Type::span:
      return with_words("steps, tokens or a percentage (2000 steps, 1B tokens, 3%)" + range_text(key));
    case Type::boolean:
      return "true or false";
    case Type::word:
      return (split_words(key.words).size() > 1 ? "one of " : "") + list_words(key.words);
    case Type::text:
      return "text";
    case Type::path:
      return "a path";
    case Type::texts:
      return "a list of texts";
    case Type::words:
      return "a list of " + list_words(key.words);
    case Type::columns:
      return "a map from text to text";
    case Type::items:
      return "a list of maps";
  }
  return "";
}

std::string default_text(const Key& key) {
  if (key.required) return "required";
  if (!key.default_note.empty()) return key.default_note;
  return key.fallback.empty() ? "–" : key.fallback;
}

}  // namespace plumb::config
