// Passages that stand in the corpus twice, by suffix array over all surviving texts, in memory: 9.3 bytes for each
// byte of text. A passage of at least `data.dedup.substring` bytes that occurred before is removed where it comes
// again; its first occurrence stays. Cuts are at UTF-8 characters, and at white space where it is near.
//
// How a build calls it (part 0 alone, after Deduplicator::finish; the others wait for finished()):
//   SubstringDeduplicator repeats(config.data.dedup, folder, plan_digest);  // any text that tells one input from
//   another if (!repeats.finished()) {
//     for each unit u: repeats.begin_unit(); for each document with Verdict::keep, in order: repeats.add(text);
//       (not running text, or not to be touched: add(""), so that the numbers agree)
//     repeats.finish(progress);      // writes dedup-repeats-U of every unit, then dedup-repeats.json
//   }
//   phase "tokens": auto spans = repeats.spans(u);   spans[k]: of the k-th added document of unit u
//                   text = without_spans(text, spans[k]);  a text that is empty or white space then: drop it, count it
// More text than fits into data.dedup.memory is an Error(out_of_resources) of add(), with a hint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/dedup.h"

namespace plumb::data {

struct RepeatedSpan {  // bytes [begin, end) of a document's text
  uint64_t begin = 0, end = 0;
  bool operator==(const RepeatedSpan&) const = default;
};

struct SubstringCounts {
  int64_t documents = 0, bytes = 0;          // looked at
  int64_t documents_changed = 0, spans = 0;  // removed
  int64_t bytes_removed = 0;
  nlohmann::ordered_json json() const;
  static SubstringCounts from_json(const nlohmann::ordered_json&);
};

class SubstringDeduplicator {
 public:
  SubstringDeduplicator(const config::DedupSection&, const std::filesystem::path& folder, std::string_view input = "");
  ~SubstringDeduplicator();
  bool active() const;
  nlohmann::ordered_json identity() const;
  void begin_unit();
  void add(std::string_view text);
  SubstringCounts finish(const std::function<void(double share, const std::string& what)>& progress = {});
  bool finished() const;
  SubstringCounts counts() const;                                    // after finish, in any part
  std::vector<std::vector<RepeatedSpan>> spans(int64_t unit) const;  // after finish, in any part

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string without_spans(std::string_view text, const std::vector<RepeatedSpan>& spans);

}  // namespace plumb::data
