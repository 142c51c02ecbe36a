#include "core/config/overrides.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>

#include "core/config/reader.h"
#include "core/config/schema.h"
#include "core/config/values.h"

namespace plumb::config {
namespace {

constexpr std::array<std::string_view, 5> without_section{"resume", "steps", "tokens", "epochs", "seed"};
constexpr std::array<std::string_view, 3> lengths{"train.steps", "train.tokens", "train.epochs"};

struct Step {
  std::string name;
  std::optional<size_t> index;
};

// "data.sources[0].path" -> {data}, {sources, 0}, {path}
std::optional<std::vector<Step>> split_address(const std::string& address) {
  std::vector<Step> steps;
  for (size_t at = 0; at <= address.size();) {
    const size_t end = std::min(address.find('.', at), address.size());
    std::string part = address.substr(at, end - at);
    Step step;
    if (const size_t bracket = part.find('['); bracket != std::string::npos) {
      const std::string digits = part.substr(bracket + 1, part.size() - bracket - 2);
      const bool number = part.back() == ']' && !digits.empty() && digits.size() < 6 &&
                          digits.find_first_not_of("0123456789") == std::string::npos;
      if (!number) return std::nullopt;
      step.index = std::stoul(digits);
      part.resize(bracket);
    }
    if (part.empty()) return std::nullopt;
    step.name = part;
    steps.push_back(step);
    at = end + 1;
  }
  return steps;
}

class Overriding {
 public:
  Overriding(Node& root, Problems& problems) : root_(root), problems_(problems) {
    if (root_.kind == Node::Kind::nothing) root_.kind = Node::Kind::map;
  }
  Overridden result;

  void run() {
    if (root_.kind != Node::Kind::map) return;  // reported when the tree is read
    for (size_t i = 0; i < problems_.overrides().size(); ++i) one(static_cast<int>(i));
  }

 private:
  Node& root_;
  Problems& problems_;
  std::set<std::string> seen_;
  std::string dropped_length_;  // "train.steps 300 (pretrain.yaml:8)"

  void one(int argument) {
    const std::string& text = problems_.overrides()[static_cast<size_t>(argument)];
    const Place place{Place::In::command_line, 0, 0, 0, argument};
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      problems_.add(place, fmt::format("expected section.key=value, found \"{}\"", text));
      return;
    }
    std::string address = text.substr(0, equals);
    const std::string value = text.substr(equals + 1);
    if (address.find('.') == std::string::npos && !is_group(address)) {
      if (std::find(without_section.begin(), without_section.end(), address) == without_section.end()) {
        problems_.add(place, "unknown key " + address, unknown_hint(address));
        return;
      }
      address = "train." + address;
    }
    const auto steps = split_address(address);
    if (!steps) {
      problems_.add(place, fmt::format("expected section.key=value, found \"{}\"", text));
      return;
    }
    if (!seen_.insert(address).second) {
      problems_.add(place, fmt::format("key {} stands twice on the command line", address), "remove one of them");
      return;
    }
    if (value.empty()) {
      problems_.add(place, fmt::format("expected a value for {}, found nothing", address),
                    fmt::format("{}=default takes it out of the file", address));
      return;
    }
    if (!find_key(address) && !is_group(address)) {
      problems_.add(place, "unknown key " + address, unknown_hint(address));
      return;
    }
    if (value == "default") return take_out(*steps, address, place);
    std::optional<Node> node = read_value(address, value, place);
    if (node) put(*steps, address, std::move(*node), place);
  }

  // Texts come as the shell gives them; lists and maps are read in flow style.
  std::optional<Node> read_value(const std::string& address, const std::string& value, const Place& place) {
    const Key* key = find_key(address);
    const bool flow_style = !key || key->type == Type::items || key->type == Type::texts || key->type == Type::words ||
                            key->type == Type::columns;
    if (flow_style) {
      Node node = read_flow(value, place.argument, problems_);
      if (node.kind == Node::Kind::nothing && problems_.empty())
        problems_.add(place, fmt::format("expected {}, found nothing", key ? expected_text(*key) : "a map"));
      return node.kind == Node::Kind::nothing ? std::nullopt : std::optional(node);
    }
    for (const char c : value) {
      if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) continue;
      problems_.add(place, fmt::format("expected {}, found a control character", expected_text(*key)));
      return std::nullopt;
    }
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = value;
    node.place = place;
    return node;
  }

  std::string replaced_text(const Entry& entry) const {
    if (!entry.replaced.empty()) return entry.replaced;
    return fmt::format("{} ({})", flow(entry.value), problems_.origin(entry.place));
  }

  // The entry at the end of the way; the maps on it are made if `place` is given. Nothing: there is none, or something
  // on the way is not a map (which is reported when the tree is read) or too short a list.
  Entry* follow(const std::vector<Step>& steps, const std::string& address, const Place* make, bool& failed) {
    Node* node = &root_;
    Entry* entry = nullptr;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (node->kind != Node::Kind::map) return failed = true, nullptr;
      entry = node->find(steps[i].name);
      if (!entry) {
        if (!make || steps[i].index)
          return failed = steps[i].index.has_value() && missing_item(address, steps[i], 0, make), nullptr;
        node->entries.push_back(Entry{steps[i].name, *make, {}, ""});
        entry = &node->entries.back();
        entry->value.place = *make;
        if (i + 1 < steps.size()) entry->value.kind = Node::Kind::map;
      }
      node = &entry->value;
      if (steps[i].index) {
        if (node->kind != Node::Kind::list) return failed = true, nullptr;
        if (*steps[i].index >= node->items.size())
          return failed = missing_item(address, steps[i], node->items.size(), make), nullptr;
        node = &node->items[*steps[i].index];
      }
    }
    return steps.back().index ? nullptr : entry;
  }

  // True: reported, or only asked for without a place to report at.
  bool missing_item(const std::string& address, const Step& step, size_t size, const Place* place) {
    if (place)
      problems_.add(*place,
                    fmt::format("{} does not exist: {} has {} item{}", address, step.name, size, size == 1 ? "" : "s"),
                    "give the whole list instead");
    return true;
  }

  void put(const std::vector<Step>& steps, const std::string& address, Node value, const Place& place) {
    const bool length = std::find(lengths.begin(), lengths.end(), address) != lengths.end();
    if (length) drop_other_lengths(address);
    bool failed = false;
    const bool existed = exists(steps);
    Entry* entry = follow(steps, address, &place, failed);
    if (!entry) {
      if (!failed)
        problems_.add(place, fmt::format("expected a key, found the list item {}", address),
                      "give one of its keys, or the whole list");
      return;
    }
    if (existed) entry->replaced = replaced_text(*entry);
    if (length && entry->replaced.empty()) entry->replaced = dropped_length_;
    entry->place = place;
    entry->value = std::move(value);
  }

  bool exists(const std::vector<Step>& steps) {
    bool failed = false;
    return follow(steps, "", nullptr, failed) != nullptr;
  }

  // An override of one length replaces the one in the file, whichever it is.
  void drop_other_lengths(const std::string& address) {
    Entry* train = root_.find("train");
    if (!train || train->value.kind != Node::Kind::map) return;
    auto& entries = train->value.entries;
    for (auto it = entries.begin(); it != entries.end();) {
      const std::string other = "train." + it->key;
      const bool drop =
          other != address && it->place.in_file() && std::find(lengths.begin(), lengths.end(), other) != lengths.end();
      if (drop) dropped_length_ = fmt::format("{} {} ({})", other, flow(it->value), problems_.origin(it->place));
      it = drop ? entries.erase(it) : it + 1;
    }
  }

  void take_out(const std::vector<Step>& steps, const std::string& address, const Place& place) {
    if (steps.back().index) {
      problems_.add(place, fmt::format("expected a key, found the list item {}", address),
                    "give the whole list instead");
      return;
    }
    bool failed = false;
    std::vector<Step> parents(steps.begin(), steps.end() - 1);
    Node* parent = &root_;
    if (!parents.empty()) {
      for (const auto& step : parents) {
        Entry* entry = parent->kind == Node::Kind::map ? parent->find(step.name) : nullptr;
        if (!entry) return;
        parent = &entry->value;
        if (!step.index) continue;
        if (parent->kind != Node::Kind::list || *step.index >= parent->items.size()) {
          failed = missing_item(address, step, parent->items.size(), &place);
          break;
        }
        parent = &parent->items[*step.index];
      }
    }
    if (failed || parent->kind != Node::Kind::map) return;
    auto& entries = parent->entries;
    const auto it =
        std::find_if(entries.begin(), entries.end(), [&](const Entry& e) { return e.key == steps.back().name; });
    if (it == entries.end()) return;
    result.taken_out[address] = replaced_text(*it);
    entries.erase(it);
  }
};

}  // namespace

Overridden apply_overrides(Node& root, Problems& problems) {
  Overriding overriding(root, problems);
  overriding.run();
  return std::move(overriding.result);
}

}  // namespace plumb::config
