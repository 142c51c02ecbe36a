#include "data/privacy/redactor.h"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "core/error.h"
#include "data/privacy/finder.h"
#include "data/privacy/secret_key.h"

namespace plumb::data {
namespace {

using privacy::Kind;
using privacy::Kinds;
using privacy::Match;

enum class Action : uint8_t { keep, replace, hash, drop };

// Changed whenever a rule finds other values in the same text.
constexpr int rules_version = 1;

Action action_named(const std::string& name) {
  if (name == "none") return Action::keep;
  if (name == "replace") return Action::replace;
  if (name == "hash") return Action::hash;
  if (name == "drop") return Action::drop;
  fail_input("data.privacy.action", "expected one of none, replace, hash, drop, found \"" + name + "\"");
}

Kind kind_of(const std::string& name, const char* key) {
  const auto kind = privacy::kind_named(name);
  if (!kind) fail_input(key, "unknown kind \"" + name + "\"", std::string("kinds: ") + config::privacy_kind_words);
  return *kind;
}

}  // namespace

struct Redactor::State {
  std::array<Action, privacy::kind_count> actions{};
  Kinds wanted = 0;
  privacy::SecretKey key;

  explicit State(const config::PrivacySection& section) {
    const Action action = action_named(section.action);
    if (section.kinds.empty()) {
      actions.fill(action);
    } else {
      for (const auto& name : section.kinds) actions[static_cast<size_t>(kind_of(name, "data.privacy.kinds"))] = action;
    }
    own(section.replace, Action::replace, "data.privacy.replace");
    own(section.hash, Action::hash, "data.privacy.hash");
    own(section.drop, Action::drop, "data.privacy.drop");
    for (size_t i = 0; i < actions.size(); ++i)
      if (actions[i] != Action::keep) wanted |= bit(static_cast<Kind>(i));
    if (std::find(actions.begin(), actions.end(), Action::hash) == actions.end()) return;
    if (section.key.empty()) {
      fail_input("data.privacy.key",
                 "action hash needs a key: without one, a resident number is found again by trying all",
                 "openssl rand -hex 32 > FILE && chmod 600 FILE");
    }
    key = privacy::SecretKey(section.key);
  }

  std::set<Kind> own_kinds;
  void own(const std::vector<std::string>& names, Action action, const char* key_name) {
    for (const auto& name : names) {
      const Kind kind = kind_of(name, key_name);
      if (!own_kinds.insert(kind).second)
        fail_input(key_name, name + " has two actions", "name a kind in one of replace, hash, drop");
      actions[static_cast<size_t>(kind)] = action;
    }
  }

  Action action_of(const Match& match) const { return actions[static_cast<size_t>(match.kind)]; }

  std::string replaced(std::string_view text, const std::vector<Match>& found) const {
    std::string result;
    result.reserve(text.size());
    size_t from = 0;
    for (const auto& match : found) {
      result += text.substr(from, match.begin - from);
      const auto tag = privacy::kind_tags[static_cast<size_t>(match.kind)];
      result += '<';
      result += tag;
      if (action_of(match) == Action::hash) {
        result += ':';
        result += key.tag(tag, canonical(match.kind, text.substr(match.begin, match.end - match.begin)));
      }
      result += '>';
      from = match.end;
    }
    result += text.substr(from);
    return result;
  }
};

Redactor::Redactor(const config::PrivacySection& section) : state_(std::make_unique<const State>(section)) {}
Redactor::~Redactor() = default;
Redactor::Redactor(Redactor&&) noexcept = default;

bool Redactor::active() const { return state_->wanted != 0; }

nlohmann::ordered_json Redactor::identity() const {
  nlohmann::ordered_json json;
  if (!active()) return json;
  static constexpr std::array<const char*, 4> names = {"none", "replace", "hash", "drop"};
  json["rules"] = rules_version;
  for (size_t i = 0; i < privacy::kind_count; ++i)
    json["actions"][std::string(privacy::kind_names[i])] = names[static_cast<size_t>(state_->actions[i])];
  if (!state_->key.empty()) json["key"] = state_->key.tag("identity of the key", "");
  return json;
}

bool Redactor::redact(std::string& text, PrivacyCounts& counts, std::string* kind) const {
  std::string* const one[] = {&text};
  return redact(one, counts, kind);
}

bool Redactor::redact(std::span<std::string* const> texts, PrivacyCounts& counts, std::string* kind) const {
  if (!active()) return true;
  std::vector<std::vector<Match>> found(texts.size());
  bool any = false;
  std::string dropped_for;
  for (size_t i = 0; i < texts.size(); ++i) {
    privacy::find_values(*texts[i], state_->wanted, found[i]);
    for (const auto& match : found[i]) {
      const std::string name(privacy::kind_names[static_cast<size_t>(match.kind)]);
      ++counts.found[name];
      any = true;
      if (dropped_for.empty() && state_->action_of(match) == Action::drop) dropped_for = name;
    }
  }
  if (!dropped_for.empty()) {
    ++counts.documents_dropped;
    ++counts.dropped[dropped_for];
    if (kind) *kind = dropped_for;
    return false;
  }
  if (!any) return true;
  ++counts.documents_changed;
  for (size_t i = 0; i < texts.size(); ++i)
    if (!found[i].empty()) *texts[i] = state_->replaced(*texts[i], found[i]);
  return true;
}

PrivacyCounts& PrivacyCounts::operator+=(const PrivacyCounts& other) {
  for (const auto& [kind, count] : other.found) found[kind] += count;
  for (const auto& [kind, count] : other.dropped) dropped[kind] += count;
  documents_changed += other.documents_changed;
  documents_dropped += other.documents_dropped;
  return *this;
}

nlohmann::ordered_json PrivacyCounts::json() const {
  return {{"documents_changed", documents_changed},
          {"documents_dropped", documents_dropped},
          {"dropped", dropped},
          {"found", found}};
}

PrivacyCounts PrivacyCounts::from_json(const nlohmann::ordered_json& json) {
  PrivacyCounts counts;
  counts.documents_changed = json.at("documents_changed").get<int64_t>();
  counts.documents_dropped = json.at("documents_dropped").get<int64_t>();
  counts.dropped = json.at("dropped").get<std::map<std::string, int64_t>>();
  counts.found = json.at("found").get<std::map<std::string, int64_t>>();
  return counts;
}

}  // namespace plumb::data
