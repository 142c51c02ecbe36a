// A YAML document as a small tree with the place of every value. Made by the reader, changed by overrides.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/config/problems.h"

namespace plumb::config {

struct Entry;

struct Node {
  enum class Kind { nothing, scalar, list, map } kind = Kind::nothing;
  std::string text;     // scalar
  bool quoted = false;  // "8" is a text, never a number
  Place place;
  std::vector<Node> items;     // list
  std::vector<Entry> entries;  // map, in the order of the file

  Entry* find(const std::string& key);
};

struct Entry {
  std::string key;
  Place place;
  Node value;
  std::string replaced;  // what an override took the place of, "2 (llama-1b.yaml:16)"
};

std::string kind_text(const Node&);  // how an error names what was found: "\"eight\"", "a list", "nothing"
std::string flow(const Node&);       // in flow style, as one would write it on one line
std::string quote_if_needed(const std::string& text, bool in_flow = true);  // a text as a YAML scalar

// Reads one document with all checks that yaml-cpp leaves out (docs/config.md). Mistakes go to `problems`; after a
// mistake of syntax the tree is empty.
Node read_yaml(const std::string& text, Problems& problems);
// The value of an override in flow style; every place in it is that of the override.
Node read_flow(const std::string& text, int argument, Problems& problems);

}  // namespace plumb::config
