#include "data/dedup/substring.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "data/dedup/repeated_windows.h"
#include "data/dedup/word_file.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr double bytes_each = 9.3;  // text, suffix array, a bit, and the text's growth
constexpr size_t search = 32;       // bytes within which a cut looks for white space

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool starts_character(std::string_view text, size_t at) {
  return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}
bool starts_word(std::string_view text, size_t at) { return at == 0 || at == text.size() || is_space(text[at - 1]); }

// The largest part of the span that begins and ends where a word does, or at least a character.
RepeatedSpan at_boundaries(std::string_view text, size_t begin, size_t end) {
  size_t from = begin, to = end;
  while (from < end && from - begin < search && !starts_word(text, from)) ++from;
  if (from == end || !starts_word(text, from)) {
    from = begin;
    while (from < end && !starts_character(text, from)) ++from;
  }
  while (to > from && end - to < search && !starts_word(text, to)) --to;
  if (to == from || !starts_word(text, to)) {
    to = end;
    while (to > from && !starts_character(text, to)) --to;
  }
  return {from, to};
}

}  // namespace

struct SubstringDeduplicator::State {
  config::DedupSection section;
  fs::path folder;
  uint64_t input_hash;
  std::string text;
  std::vector<uint64_t> ends;         // of documents, in text
  std::vector<size_t> first_of_unit;  // document
  uint64_t limit = 0;                 // bytes of text
  int64_t memory;

  State(const config::DedupSection& from, const fs::path& where, std::string_view input)
      : section(from), folder(where), input_hash(core::xxh3(input)) {
    memory = section.memory.value_or(core::available_memory() / 2);
    limit = static_cast<uint64_t>(static_cast<double>(memory) / bytes_each);
  }

  ordered_json identity() const {
    return {{"format", 1}, {"substring", section.substring ? ordered_json(*section.substring) : ordered_json()}};
  }
  uint64_t identity_hash() const { return core::xxh3(identity().dump(), input_hash); }
  uint64_t unit_identity(size_t unit) const { return identity_hash() + (unit + 1) * 0x9E3779B97F4A7C15; }
  fs::path unit_file(size_t unit) const { return folder / fmt::format("dedup-repeats-{}", unit); }
  fs::path counts_file() const { return folder / "dedup-repeats.json"; }
  uint64_t length() const { return static_cast<uint64_t>(section.substring.value_or(0)); }

  std::string_view document(size_t index) const {
    const uint64_t begin = index == 0 ? 0 : ends[index - 1];
    return std::string_view(text).substr(begin, ends[index] - begin);
  }

  // Marked windows of one document, joined where they touch.
  std::vector<RepeatedSpan> spans_of(size_t index, const std::vector<uint64_t>& marks) const {
    const std::string_view whole = document(index);
    const uint64_t base = ends[index] - whole.size();
    std::vector<RepeatedSpan> spans;
    uint64_t begin = 0, end = 0;
    const auto close = [&] {
      if (end == begin) return;
      const RepeatedSpan span = at_boundaries(whole, begin, end);
      if (span.end > span.begin) spans.push_back(span);
    };
    for (uint64_t p = 0; p < whole.size(); ++p) {
      const uint64_t bit = base + p;
      if (marks[bit / 64] == 0) {  // nothing in all of this word
        p += 63 - bit % 64;
        continue;
      }
      if ((marks[bit / 64] >> (bit % 64) & 1) == 0) continue;
      if (p > end) close(), begin = p;
      if (end == begin) begin = p;
      end = p + length();
    }
    close();
    return spans;
  }

  void write_unit(size_t unit, const std::vector<uint64_t>& marks, SubstringCounts& counts) const {
    WordWriter out(unit_file(unit), WordKind::repeats, unit_identity(unit));
    const size_t first = first_of_unit[unit];
    const size_t last = unit + 1 < first_of_unit.size() ? first_of_unit[unit + 1] : ends.size();
    for (size_t index = first; index < last; ++index) {
      const auto spans = spans_of(index, marks);
      out.add(spans.size());
      for (const auto& span : spans) {
        out.add(span.begin);
        out.add(span.end);
        counts.bytes_removed += static_cast<int64_t>(span.end - span.begin);
      }
      counts.spans += static_cast<int64_t>(spans.size());
      counts.documents_changed += !spans.empty();
    }
    counts.documents += static_cast<int64_t>(last - first);
    out.commit(last - first);
  }
};

SubstringDeduplicator::SubstringDeduplicator(const config::DedupSection& section, const fs::path& folder,
                                             std::string_view input)
    : state_(std::make_unique<State>(section, folder, input)) {}

SubstringDeduplicator::~SubstringDeduplicator() = default;

bool SubstringDeduplicator::active() const { return state_->section.substring.has_value(); }

ordered_json SubstringDeduplicator::identity() const { return state_->identity(); }

void SubstringDeduplicator::begin_unit() { state_->first_of_unit.push_back(state_->ends.size()); }

void SubstringDeduplicator::add(std::string_view text) {
  auto& s = *state_;
  if (s.first_of_unit.empty()) fail_internal("a text before the first unit");
  if (text.size() > s.limit || s.text.size() > s.limit - text.size())
    throw Error(
        ExitCode::out_of_resources,
        fmt::format("the corpus does not fit: {} of memory are enough for {} of text",
                    core::human_bytes(static_cast<double>(s.memory)), core::human_bytes(static_cast<double>(s.limit))),
        "data.dedup.substring",
        "raise data.dedup.memory, build on a larger machine, or write data.dedup.substring: none");
  s.text += text;
  s.ends.push_back(s.text.size());
}

SubstringCounts SubstringDeduplicator::finish(const std::function<void(double, const std::string&)>& progress) {
  const auto& s = *state_;
  if (!active()) fail_internal("repeated passages were not asked for");
  if (progress) progress(0, "sorting suffixes");
  const auto marks = repeated_windows(s.text, s.ends, s.length());
  SubstringCounts counts;
  counts.bytes = static_cast<int64_t>(s.text.size());
  for (size_t unit = 0; unit < s.first_of_unit.size(); ++unit) {
    if (progress)
      progress(0.9 + 0.1 * static_cast<double>(unit) / static_cast<double>(s.first_of_unit.size()), "cutting repeats");
    s.write_unit(unit, marks, counts);
  }
  ordered_json json = counts.json();
  json["identity"] = fmt::format("{:016x}", s.identity_hash());
  core::write_text(s.counts_file(), json.dump(2) + "\n");
  return counts;
}

bool SubstringDeduplicator::finished() const {
  std::error_code error;
  if (!fs::is_regular_file(state_->counts_file(), error)) return false;
  const auto json = core::parse_json_file(state_->counts_file());
  return json.is_object() && json.value("identity", "") == fmt::format("{:016x}", state_->identity_hash());
}

SubstringCounts SubstringDeduplicator::counts() const {
  if (!finished())
    fail_input(state_->counts_file().string(), "expected the counts of repeated passages, found none for this build");
  return SubstringCounts::from_json(core::parse_json_file(state_->counts_file()));
}

std::vector<std::vector<RepeatedSpan>> SubstringDeduplicator::spans(int64_t unit) const {
  const auto u = static_cast<size_t>(unit);
  const fs::path file = state_->unit_file(u);
  WordReader in(file, WordKind::repeats, state_->unit_identity(u));
  std::vector<uint64_t> all;
  for (std::vector<uint64_t> words; in.next(words);) all.insert(all.end(), words.begin(), words.end());
  const auto damaged = [&] { fail_input(file.string(), "its spans do not fit each other", "remove the file"); };
  std::vector<std::vector<RepeatedSpan>> documents;
  for (size_t at = 0; at < all.size();) {
    const uint64_t count = all[at++];
    if (count > (all.size() - at) / 2) damaged();
    auto& spans = documents.emplace_back();
    for (uint64_t i = 0; i < count; ++i, at += 2) {
      const uint64_t least = spans.empty() ? 0 : spans.back().end;
      if (all[at] < least || all[at + 1] <= all[at]) damaged();
      spans.push_back({all[at], all[at + 1]});
    }
  }
  if (documents.size() != in.note()) damaged();
  return documents;
}

ordered_json SubstringCounts::json() const {
  return {{"documents", documents},
          {"bytes", bytes},
          {"documents_changed", documents_changed},
          {"spans", spans},
          {"bytes_removed", bytes_removed}};
}

SubstringCounts SubstringCounts::from_json(const ordered_json& json) {
  SubstringCounts counts;
  for (const auto& [name, field] : {std::pair{"documents", &counts.documents},
                                    {"bytes", &counts.bytes},
                                    {"documents_changed", &counts.documents_changed},
                                    {"spans", &counts.spans},
                                    {"bytes_removed", &counts.bytes_removed}}) {
    const auto found = json.find(name);
    if (found == json.end() || !found->is_number_integer())
      fail_input("dedup-repeats.json", std::string("expected a number ") + name, "remove the file");
    *field = found->get<int64_t>();
  }
  return counts;
}

std::string without_spans(std::string_view text, const std::vector<RepeatedSpan>& spans) {
  std::string rest;
  uint64_t at = 0;
  for (const auto& span : spans) {
    if (span.begin < at || span.end < span.begin || span.end > text.size())
      fail_internal("repeated passages of another text");
    rest += text.substr(at, span.begin - at);
    at = span.end;
  }
  rest += text.substr(at);
  return rest;
}

}  // namespace plumb::data
