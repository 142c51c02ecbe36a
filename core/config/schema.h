// The one table of keys. The YAML reader, the overrides, --help, docs/config.md and the JSON schema are made from it.
// To add a key: a row here (schema_*.cpp) and a field in config.h; docs/config.md is written again by its test.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/config/config.h"

namespace plumb::config {

enum class Type {
  integer,   // 12
  count,     // 2B, 500M, 1.5K, 1e9, 1_000
  number,    // 2e-5
  fraction,  // 3% or 0.03
  bytes,     // 16GiB
  duration,  // 1h30m
  interval,  // 500 steps, 1B tokens, 1 epoch, 10m
  relative,  // a number or a percentage
  span,      // steps, tokens or % of the length
  boolean,   // true, false
  word,      // one of a few words
  text,
  path,
  texts,    // list of texts
  words,    // list out of a few words
  columns,  // map from text to text
  items,    // list of maps
};

// Where a value is stored in Config; monostate: the optional part that would hold it is absent.
using Target =
    std::variant<std::monostate, int64_t*, std::optional<int64_t>*, double*, std::optional<double>*, bool*,
                 std::optional<bool>*, std::string*, std::vector<std::string>*, std::map<std::string, std::string>*,
                 Interval*, Relative*, std::optional<Relative>*, Span*, std::optional<Span>*>;

struct Key {
  std::string address = {};  // "train.schedule.warmup"; within a list of maps the last name alone
  Type type = Type::text;
  std::string fallback = {};  // default as one would write it; empty: none, or derived as default_note says
  std::string default_note = {};
  std::string meaning = {};                            // one sentence for people
  Target (*bind)(void* owner, bool create) = nullptr;  // owner: Config, or the item of a list of maps
  bool required = false;
  bool may_be_auto = false, may_be_none = false;
  bool pace = false;  // class P: place and pace, may change on resume
  double least = -std::numeric_limits<double>::infinity(), above = -std::numeric_limits<double>::infinity();  // >=, >
  double most = std::numeric_limits<double>::infinity(), below = std::numeric_limits<double>::infinity();     // <=, <
  std::string words = {};   // of a word or words key, split at spaces; "step-N" stands for step- and a number
  std::string later = {};   // words of a later release
  std::string peers = {};   // "AX lora_r | LF lora_rank | MG --lora-rank": who calls it how
  bool must_exist = false;  // a path that is read, never made
  const std::vector<Key>& (*item_keys)() = nullptr;  // items: the keys of one item
  void* (*append)(void* owner) = nullptr;            // items: adds one to the list and returns it
  std::vector<void*> (*all)(void* owner) = nullptr;  // items: those that are there
};

// Follows members from the owner: at<&Config::train, &TrainSection::seed>.
template <auto... members>
Target at(void* owner, bool) {
  const auto follow = []<class Owner, class Value, class... Rest>(auto&& self, Owner* from, Value Owner::*first,
                                                                  Rest... rest) -> Target {
    if constexpr (sizeof...(rest) == 0) {
      return Target{&(from->*first)};
    } else {
      return self(self, &(from->*first), rest...);
    }
  };
  const auto start = [&]<class Owner, class Value, class... Rest>(Value Owner::*first, Rest... rest) {
    return follow(follow, static_cast<Owner*>(owner), first, rest...);
  };
  return start(members...);
}

const std::vector<std::string>& sections();       // model tokenizer data method train parallel output eval
const std::vector<Key>& all_keys();               // in schema order
const Key* find_key(const std::string& address);  // indices as []: "data.sources[].path"
bool is_group(const std::string& address);        // a map of keys: a section, "train.schedule", "data.replay"
std::vector<std::string> all_addresses();         // keys within items too, as "data.sources[].path"
std::optional<std::string> planned(const std::string& address);  // a key of a later release: what to say about it

std::string type_name(Type);            // for the docs page
std::string expected_text(const Key&);  // "an int of at least 1", for messages
std::string default_text(const Key&);   // for the docs page and --help

// Parts of the table, one file each.
std::vector<Key> joined(std::vector<std::vector<Key>> parts);
std::vector<Key> model_keys();          // and those of the tokenizer
const std::vector<Key>& source_keys();  // of one source, wherever sources are listed
std::vector<Key> extend_keys();         // a part of model_keys
std::vector<Key> data_keys();
std::vector<Key> clean_keys();  // a part of data_keys, like the next three
std::vector<Key> privacy_keys();
std::vector<Key> dedup_keys();
std::vector<Key> decontaminate_keys();
std::vector<Key> method_keys();
std::vector<Key> train_keys();
std::vector<Key> parallel_keys();
std::vector<Key> output_keys();
std::vector<Key> eval_keys();

}  // namespace plumb::config
