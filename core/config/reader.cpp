#include "core/config/reader.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/config/peers.h"
#include "core/config/values.h"
#include "core/files.h"

namespace plumb::config {
namespace {

namespace fs = std::filesystem;

std::string last_name(const std::string& address) {
  const size_t dot = address.rfind('.');
  return dot == std::string::npos ? address : address.substr(dot + 1);
}

fs::path home() {
  if (const char* folder = std::getenv("HOME"); folder && *folder) return folder;
  const passwd* user = ::getpwuid(::getuid());
  return user && user->pw_dir ? user->pw_dir : "";
}

class Walk {
 public:
  Walk(const Folders& folders, Problems& problems) : folders_(folders), problems_(problems) {}
  Reading result;

  void defaults() {
    for (const auto& key : all_keys()) {
      if (key.fallback.empty() || key.type == Type::items) continue;
      set_default(key, &result.config);
    }
  }

  void root(const Node& node) {
    if (node.kind == Node::Kind::nothing) return;
    if (node.kind != Node::Kind::map) {
      problems_.add(node.place, "expected a map with the sections " + section_list() + ", found " + kind_text(node));
      return;
    }
    for (const auto& entry : node.entries) visit(entry, entry.key);
  }

 private:
  const Folders& folders_;
  Problems& problems_;

  static std::string section_list() {
    std::string text;
    for (const auto& name : sections()) text += (text.empty() ? "" : " ") + name;
    return text;
  }

  void set_default(const Key& key, void* owner) {
    Problems none("", "schema", {});
    const Node node = read_flow(key.fallback, 0, none);
    if (!store(key, node, key.bind(owner, true), none)) none.throw_if_any();
  }

  void visit(const Entry& entry, const std::string& address) {
    const Key* key = find_key(address);
    const bool group = is_group(address);
    if (!key && !group) {
      problems_.add(entry.place, "unknown key " + address, unknown_hint(address));
      return;
    }
    if (!result.given.emplace(address, Given{entry.place, value_place(entry), entry.replaced}).second) return;
    if (group) return visit_group(entry, address);
    if (entry.value.kind == Node::Kind::nothing) {
      // The place of nothing is the key itself.
      Node empty = entry.value;
      empty.place = entry.place;
      problems_.add(entry.place, fmt::format("expected {}, found nothing", expected_text(*key)), empty_hint(*key));
      return;
    }
    if (key->type == Type::items) return visit_items(entry, *key, address);
    assign(*key, entry, address, &result.config);
  }

  static Place value_place(const Entry& entry) {
    return entry.value.kind == Node::Kind::scalar ? entry.value.place : entry.place;
  }

  static std::string empty_hint(const Key& key) {
    if (!key.fallback.empty()) return "remove the key to take its default " + key.fallback;
    return key.required ? "" : "remove the key, or give it a value";
  }

  void visit_group(const Entry& entry, const std::string& address) {
    if (entry.value.kind != Node::Kind::map) {
      std::string hint = entry.value.kind == Node::Kind::nothing ? "remove the key, or give it keys of its own" : "";
      const std::string near = address + ".name";
      if (entry.value.kind == Node::Kind::scalar && find_key(near))
        hint = fmt::format("write {}: {{name: {}}}", last_name(address), entry.value.text);
      problems_.add(value_place(entry),
                    fmt::format("expected a map of the keys of {}, found {}", address, kind_text(entry.value)), hint);
      return;
    }
    for (const auto& child : entry.value.entries) visit(child, address + "." + child.key);
  }

  void visit_items(const Entry& entry, const Key& key, const std::string& address) {
    if (entry.value.kind != Node::Kind::list) {
      const bool map = entry.value.kind == Node::Kind::map;
      problems_.add(value_place(entry), fmt::format("expected a list of maps, found {}", kind_text(entry.value)),
                    map ? fmt::format("write a list: {}: [{{...}}]", last_name(address)) : "");
      return;
    }
    for (size_t i = 0; i < entry.value.items.size(); ++i)
      visit_item(entry.value.items[i], key, fmt::format("{}[{}]", address, i), entry.place);
  }

  void visit_item(const Node& item, const Key& list, const std::string& address, const Place& list_place) {
    const bool nothing = item.kind == Node::Kind::nothing;
    if (item.kind != Node::Kind::map) {
      problems_.add(nothing ? list_place : item.place,
                    fmt::format("expected a map in {}, found {}", list.address, kind_text(item)),
                    item.kind == Node::Kind::scalar ? fmt::format("write {{path: {}}}", item.text) : "");
      return;
    }
    void* owner = list.append(&result.config);
    result.given.emplace(address, Given{item.place, item.place, ""});
    for (const auto& part : list.item_keys())
      if (!part.fallback.empty()) set_default(part, owner);
    for (const auto& entry : item.entries) {
      const std::string name = address + "." + entry.key;
      const Key* key = find_key(name);
      if (!key) {
        problems_.add(entry.place, fmt::format("unknown key {}", name), unknown_hint(name));
        continue;
      }
      result.given.emplace(name, Given{entry.place, value_place(entry), entry.replaced});
      if (entry.value.kind == Node::Kind::nothing) {
        problems_.add(entry.place, fmt::format("expected {}, found nothing", expected_text(*key)), empty_hint(*key));
        continue;
      }
      assign(*key, entry, name, owner);
    }
    for (const auto& part : list.item_keys())
      if (part.required && !result.find(address + "." + part.address))
        problems_.add(item.place, fmt::format("missing key {}.{}", address, part.address), part.meaning);
  }

  void assign(const Key& key, const Entry& entry, const std::string& address, void* owner) {
    Node node = entry.value;
    if (node.kind == Node::Kind::list || node.kind == Node::Kind::map) node.place = entry.place;
    if (key.type == Type::path && node.kind == Node::Kind::scalar && !node.text.empty()) {
      const std::string written = node.text;
      if (!resolve(node, address)) return;
      if (key.must_exist && !core::is_remote(node.text))
        result.paths.push_back(
            {address, written, node.text, problems_.where(node.place), problems_.excerpt(node.place)});
    }
    store(key, node, key.bind(owner, true), problems_);
  }

  // Where documents come from; everything else is opened by readers of files.
  static bool reads_objects(const std::string& address) {
    for (const char* list :
         {"data.sources[", "data.validation[", "data.replay.sources[", "eval.sets[", "data.decontaminate.sets["}) {
      if (address.starts_with(list)) return true;
    }
    return address == "data.dataset" || address == "data.replay.dataset";
  }

  bool resolve(Node& node, const std::string& address) {
    const std::string& text = node.text;
    if (text.find('$') != std::string::npos) {
      problems_.add(
          node.place, fmt::format("expected a path without variables, found \"{}\"", text),
          fmt::format("nothing is expanded in a file; write {}={} on the command line, where the shell does it",
                      address, text));
      return false;
    }
    if (const size_t scheme = text.find("://"); scheme != std::string::npos) {
      const bool store = core::is_remote(text);
      if (store && reads_objects(address)) return true;
      problems_.add(node.place, fmt::format("expected a local path, found \"{}\"", text),
                    store ? "objects of a store are read as sources, datasets and evaluation sets only"
                          : "nothing is downloaded; fetch it first and give the local path");
      return false;
    }
    fs::path path = text;
    if (text == "~" || text.starts_with("~/")) {
      path = home() / fs::path(text.size() > 2 ? text.substr(2) : "");
    } else if (text[0] == '~') {
      problems_.add(node.place, fmt::format("expected a path, found \"{}\"", text),
                    "only ~/ is known, the home folder of this user");
      return false;
    }
    path = ((node.place.on_command_line() ? folders_.command_line : folders_.file) / path).lexically_normal();
    if (!path.has_filename() && path.has_parent_path() && path != path.root_path()) path = path.parent_path();
    node.text = path.string();
    return true;
  }
};

}  // namespace

Reading read_config(const Node& root, const Folders& folders, Problems& problems) {
  Walk walk(folders, problems);
  walk.defaults();
  walk.root(root);
  return std::move(walk.result);
}

std::string unknown_hint(const std::string& address) {
  if (const auto later = planned(address)) return *later;
  const std::string name = last_name(address);
  if (name.find_first_not_of("0123456789") == std::string::npos)  // {learning_rate: 0,001}
    return "a comma begins the next key; the decimal mark is a point";
  std::vector<std::string> same_name, near_names;
  const std::string group = address.substr(0, address.size() - name.size());
  for (const auto& known : all_addresses()) {
    const std::string last = last_name(known);
    if (last == name && known.find('[') == std::string::npos) same_name.push_back(known);
    if (known.substr(0, known.size() - last.size()) == group || group.empty()) near_names.push_back(known);
  }
  if (same_name.size() == 1) return fmt::format("did you mean {}?", same_name.front());
  if (const std::string peer = peer_hint(address); !peer.empty()) return peer;
  // Items: compare by last name within the list's keys.
  if (const size_t bracket = address.find('['); bracket != std::string::npos) {
    const std::string list = address.substr(0, bracket) + "[].";
    std::vector<std::string> parts;
    for (const auto& known : all_addresses())
      if (known.starts_with(list)) parts.push_back(known.substr(list.size()));
    const auto part = nearest(name, parts);
    return part ? fmt::format("did you mean {}?", *part) : "";
  }
  if (const auto near = nearest(address, near_names)) return fmt::format("did you mean {}?", *near);
  const auto anywhere = nearest(address, all_addresses());
  if (anywhere) return fmt::format("did you mean {}?", *anywhere);
  if (group.empty()) return "the sections are model tokenizer data method train parallel output eval";
  return "";
}

}  // namespace plumb::config
