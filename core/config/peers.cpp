#include "core/config/peers.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/config/schema.h"
#include "core/config/values.h"

namespace plumb::config {
namespace {

constexpr std::array<std::pair<const char*, const char*>, 8> frameworks{{{"AX", "axolotl"},
                                                                         {"LF", "LLaMA-Factory"},
                                                                         {"TUNE", "torchtune"},
                                                                         {"LLF", "llm-foundry"},
                                                                         {"HF", "Hugging Face"},
                                                                         {"MG", "Megatron"},
                                                                         {"TT", "torchtitan"},
                                                                         {"OL", "OLMo-core"}}};

std::string framework_name(const std::string& tag) {
  for (const auto& [short_name, name] : frameworks)
    if (tag == short_name) return name;
  return tag;
}

// Names that have no counterpart of their own.
const std::map<std::string, std::string>& answers() {
  static const std::map<std::string, std::string> table = {
      {"gradient_accumulation_steps",
       "accumulation is solved, never given: set train.global_batch_size (sequences of a step over all ranks)"},
      {"grad_accum", "accumulation is solved, never given: set train.global_batch_size"},
      {"load_in_4bit", "axolotl's load_in_4bit is method.quantize_base there; planned, not in this release"},
      {"load_in_8bit", "axolotl's load_in_8bit is method.quantize_base there; planned, not in this release"},
      {"quantization_bit", "LLaMA-Factory's quantization_bit is planned, not in this release"},
      {"trust_remote_code", "no code comes with a model here; remove the key"},
      {"flash_attention", "the fastest attention that fits is always used; remove the key"},
      {"flash_attn", "the fastest attention that fits is always used; remove the key"},
      {"do_train", "plumb train and plumb tune train; remove the key"},
      {"_component_", "nothing is named by Python class here; see docs/config.md"},
  };
  return table;
}

// "--hidden-size" and "hidden_size" are the same name.
std::string normal(std::string name) {
  name.erase(0, std::min(name.find_first_not_of('-'), name.size()));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

struct Peer {
  std::string framework, spelling, ours;
};

void add_peers(std::multimap<std::string, Peer>& table, const Key& key, const std::string& address) {
  std::string framework;
  for (const auto& word : split_words(key.peers)) {
    if (word == "|") {
      framework.clear();
    } else if (framework.empty()) {
      framework = framework_name(word);
    } else {
      table.insert({normal(word), {framework, word, address}});
    }
  }
}

const std::multimap<std::string, Peer>& peers() {
  static const auto table = [] {
    std::multimap<std::string, Peer> all;
    for (const auto& key : all_keys()) {
      add_peers(all, key, key.address);
      if (key.type != Type::items || key.address != "data.sources") continue;
      for (const auto& part : key.item_keys()) add_peers(all, part, key.address + "[]." + part.address);
    }
    return all;
  }();
  return table;
}

std::string describe(const std::vector<Peer>& found) {
  // One of our keys: name everyone who calls it so. Several: one of them each.
  std::map<std::string, std::vector<const Peer*>> by_key;
  std::vector<std::string> order;
  for (const auto& peer : found) {
    if (!by_key.contains(peer.ours)) order.push_back(peer.ours);
    by_key[peer.ours].push_back(&peer);
  }
  std::string text;
  for (const auto& ours : order) {
    const auto& users = by_key[ours];
    std::vector<std::string> names;
    for (const auto* user : users)
      if (std::find(names.begin(), names.end(), user->framework) == names.end()) names.push_back(user->framework);
    std::string who;
    for (size_t i = 0; i < names.size(); ++i)
      who += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i] + (i + 1 == names.size() ? "'s" : "");
    text += (text.empty() ? "" : "; ") + who + " " + users.front()->spelling + " is " + ours + " here";
  }
  return text;
}

std::vector<Peer> lookup(const std::string& name) {
  std::vector<Peer> found;
  const auto [from, to] = peers().equal_range(name);
  for (auto it = from; it != to; ++it) found.push_back(it->second);
  return found;
}

}  // namespace

std::string peer_hint(const std::string& address) {
  // The longest suffix wins: "optimizer.lr" before "lr".
  for (std::string name = normal(address);;) {
    if (const auto found = lookup(name); !found.empty()) return describe(found);
    if (const auto answer = answers().find(name); answer != answers().end()) return answer->second;
    const size_t dot = name.find('.');
    if (dot == std::string::npos) break;
    name.erase(0, dot + 1);
  }
  // A peer's group ("checkpointer") by its first key.
  std::vector<Peer> found;
  const std::string prefix = normal(address) + ".";
  for (auto it = peers().lower_bound(prefix); it != peers().end() && it->first.starts_with(prefix); ++it) {
    found.push_back(it->second);
    break;
  }
  return found.empty() ? "" : describe(found);
}

std::string peers_text(const std::string& peers) {
  std::string text, framework;
  for (const auto& word : split_words(peers)) {
    if (word == "|") {
      framework.clear();
      text += ",";
    } else if (framework.empty()) {
      framework = framework_name(word);
      text += (text.empty() ? "" : " ") + framework;
    } else {
      text += " `" + word + "`";
    }
  }
  return text;
}

}  // namespace plumb::config
