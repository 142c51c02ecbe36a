#include "data/decontaminate/contamination.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "data/decontaminate/index.h"
#include "data/text/characters.h"

namespace plumb::data {
namespace {

using decontaminate::ItemIndex;
using decontaminate::Words;

// Changed whenever other spans are found in the same text, or something else is kept of them.
constexpr int rules_version = 2;

enum class Action { none, report, mask, drop };

Action action_named(const std::string& name) {
  if (name == "none") return Action::none;
  if (name == "report") return Action::report;
  if (name == "mask") return Action::mask;
  if (name == "drop") return Action::drop;
  fail_input("data.decontaminate.action", "expected one of none, report, mask, drop, found \"" + name + "\"");
}

std::string digest_of(const NamedTexts& set) {
  core::Sha256 hash;
  for (const auto& text : set.texts) {
    hash.update(std::to_string(text.size()) + ":");
    hash.update(text);
  }
  return hash.hex();
}

// What goes with the words: signs and spaces behind them up to the next word or the end of the line.
size_t end_with_signs(std::string_view text, const Words& words, size_t last) {
  size_t end = words.spans[last].end;
  const size_t stop = last + 1 < words.size() ? words.spans[last + 1].begin : text.size();
  while (end < stop && text[end] != '\n') ++end;
  return end;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

struct Contamination::State {
  Action action;
  double min_overlap;
  int64_t ngram;
  ItemIndex index;
  std::vector<std::string> names, digests;

  State(const config::DecontaminateSection& section, const std::vector<NamedTexts>& sets)
      : action(action_named(section.action)),
        min_overlap(section.min_overlap),
        ngram(section.ngram),
        index(static_cast<size_t>(section.ngram)) {
    if (ngram < 2 || ngram > 256)
      fail_input("data.decontaminate.ngram", "expected 2 to 256 words, found " + std::to_string(ngram));
    if (action == Action::none) return;
    Words words;
    for (const auto& set : sets) {
      if (std::find(names.begin(), names.end(), set.name) != names.end())
        fail_input("data.decontaminate", "two sets are named " + set.name, "give one of them another name");
      for (size_t i = 0; i < set.texts.size(); ++i) {
        decontaminate::words_of(set.texts[i], words);
        index.add(static_cast<uint32_t>(names.size()), static_cast<uint32_t>(i), words);
      }
      names.push_back(set.name);
      digests.push_back(digest_of(set));
    }
    index.finish();
  }

  struct Looked {
    std::vector<Hit> hits;
    std::vector<uint32_t> items;                // of the index
    std::vector<decontaminate::WordRun> taken;  // by first word
  };

  Looked look(const Words& words) const {
    Looked looked;
    for (const auto& shared : index.look_up(words)) {
      const auto& item = index.item(shared.item);
      const double share = static_cast<double>(shared.covered) / item.words;
      if (share < min_overlap) continue;
      looked.items.push_back(shared.item);
      for (const auto& run : shared.ranges) {
        looked.hits.push_back({item.set, item.number, words.spans[run.first].begin,
                               words.spans[run.first + run.words - 1].end, run.words, run.ngrams,
                               static_cast<float>(share)});
        looked.taken.push_back(run);
      }
    }
    std::sort(looked.taken.begin(), looked.taken.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    return looked;
  }

  void count(const Looked& looked, std::string_view source, ContaminationCounts& counts) const {
    counts.spans += static_cast<int64_t>(looked.hits.size());
    for (const uint32_t number : looked.items) {
      const auto& item = index.item(number);
      auto& numbers = counts.items[names[item.set]][std::string(source)];
      numbers.insert(item.number);
      numbers.insert(item.twins.begin(), item.twins.end());
    }
  }

  // The text without the words taken; a blank line where they stood between other words.
  static std::string masked(std::string_view text, const Words& words,
                            const std::vector<decontaminate::WordRun>& taken) {
    std::string result;
    size_t from = 0;
    const auto add = [&](size_t end) {
      std::string_view part = text.substr(from, end - from);
      if (from > 0)
        while (!part.empty() && is_space(part.front())) part.remove_prefix(1);
      if (end < text.size())
        while (!part.empty() && is_space(part.back())) part.remove_suffix(1);
      if (part.empty()) return;
      if (!result.empty()) result += "\n\n";
      result += part;
    };
    for (size_t i = 0; i < taken.size();) {
      const size_t first = taken[i].first;
      size_t end = first;
      for (; i < taken.size() && taken[i].first <= end; ++i)
        end = std::max<size_t>(end, taken[i].first + taken[i].words);
      add(words.spans[first].begin);
      from = end_with_signs(text, words, end - 1);
    }
    add(text.size());
    return result;
  }
};

Contamination::Contamination(const config::DecontaminateSection& section, const std::vector<NamedTexts>& sets)
    : state_(std::make_unique<const State>(section, sets)) {}
Contamination::~Contamination() = default;
Contamination::Contamination(Contamination&&) noexcept = default;

bool Contamination::active() const { return state_->action != Action::none; }

nlohmann::ordered_json Contamination::identity() const {
  nlohmann::ordered_json json;
  if (!active()) return json;
  static constexpr std::array<const char*, 4> names = {"none", "report", "mask", "drop"};
  json["rules"] = rules_version;
  json["segmentation"] = icu_version();
  json["action"] = names[static_cast<size_t>(state_->action)];
  json["ngram"] = state_->ngram;
  json["min_overlap"] = state_->min_overlap;
  json["sets"] = nlohmann::ordered_json::array();
  for (size_t i = 0; i < state_->names.size(); ++i)
    json["sets"].push_back({{"name", state_->names[i]}, {"digest", state_->digests[i]}});
  return json;
}

nlohmann::ordered_json Contamination::summary() const {
  auto json = nlohmann::ordered_json::object();
  const auto& sets = state_->index.sets();
  for (size_t i = 0; i < state_->names.size(); ++i) {
    const auto set = i < sets.size() ? sets[i] : decontaminate::SetSummary{};
    json[state_->names[i]] = {
        {"items", set.items}, {"too_short", set.too_short}, {"template_ngrams", set.template_ngrams}};
  }
  return json;
}

const std::string& Contamination::set_name(uint32_t set) const { return state_->names.at(set); }

ContaminatedDocument Contamination::describe(std::string where, std::string source, Outcome outcome,
                                             std::vector<Hit> hits) const {
  static constexpr std::array<const char*, 4> names = {"clean", "reported", "masked", "dropped"};
  ContaminatedDocument document;
  document.where = std::move(where), document.source = std::move(source);
  document.outcome = names[static_cast<size_t>(outcome)];
  document.spans = static_cast<int64_t>(hits.size());
  for (const auto& hit : hits) document.ngrams += hit.ngrams;
  std::stable_sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) { return a.ngrams > b.ngrams; });
  hits.resize(std::min(hits.size(), ContaminatedDocument::most_hits));
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return std::tie(a.begin, a.end, a.set, a.item) < std::tie(b.begin, b.end, b.set, b.item);
  });
  for (const auto& hit : hits) document.places.push_back({set_name(hit.set), hit});
  return document;
}

Contamination::Outcome Contamination::check(std::string& text, std::string_view source, ContaminationCounts& counts,
                                            std::vector<Hit>& hits) const {
  if (!active()) return Outcome::clean;
  thread_local Words words;
  decontaminate::words_of(text, words);
  const auto looked = state_->look(words);
  if (looked.hits.empty()) return Outcome::clean;
  state_->count(looked, source, counts);
  hits.insert(hits.end(), looked.hits.begin(), looked.hits.end());
  switch (state_->action) {
    case Action::report:
      ++counts.reported;
      return Outcome::reported;
    case Action::mask: {
      std::string rest = State::masked(text, words, looked.taken);
      Words left;
      decontaminate::words_of(rest, left);
      if (left.size() == 0) break;  // nothing but the item
      ++counts.masked;
      counts.bytes_removed += static_cast<int64_t>(text.size()) - static_cast<int64_t>(rest.size());
      text = std::move(rest);
      return Outcome::masked;
    }
    default:
      break;
  }
  ++counts.dropped;
  return Outcome::dropped;
}

Contamination::Outcome Contamination::check(std::span<const std::string_view> parts, std::string_view source,
                                            ContaminationCounts& counts, std::vector<Hit>& hits) const {
  if (!active()) return Outcome::clean;
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += '\n';
    joined += parts[i];
  }
  thread_local Words words;
  decontaminate::words_of(joined, words);
  const auto looked = state_->look(words);
  if (looked.hits.empty()) return Outcome::clean;
  state_->count(looked, source, counts);
  hits.insert(hits.end(), looked.hits.begin(), looked.hits.end());
  const bool report = state_->action == Action::report;
  ++(report ? counts.reported : counts.dropped);
  return report ? Outcome::reported : Outcome::dropped;
}

}  // namespace plumb::data
