// What deduplication remembers of a document: a hash of its text and the keys of its MinHash buckets.
//
// HOW A BUILD CALLS THIS ROOM (all files lie in one work folder; every one of them commits atomically, is bound to the
// settings by identity(), and is verified when it is read):
//
//   const Fingerprinter fingerprinter(config.data.dedup);          // thread-safe, one for all threads
//   1. phase "read", unit u, after Cleaner, Redactor and Contamination, for every document that is still there, in
//      order:     FingerprintWriter out(folder / "unit-u.fingerprints", fingerprinter);
//                 out.add(fingerprinter.of(text));                 // of() on any thread, add() in document order
//                 out.commit();                                    // also with no document at all
//      The text of a chat or prompt document: all its contents, each preceded by its role and a newline, joined by
//      newlines; the deduplicator does not mind what it is, only that it is always made the same way.
//   2. phase "dedup", when fingerprinter.active() and all units of phase 1 exist:
//                 Deduplicator dedup(config.data.dedup, {.fingerprints = <all unit files in unit order>,
//                                    .folder = folder, .part = part, .parts = parts, .threads = threads});
//                 dedup.passes(progress);                          // this part's share; files that exist are kept
//                 while (!dedup.passes_done()) poll;               // the other parts' shares
//                 if (part == 0) dedup.finish(progress);           // the others wait for dedup.finished()
//   3. phase "tokens", unit u:
//                 std::vector<Verdict> verdicts = dedup.verdicts(u);   // as many as documents were added
//                 keep document i if verdicts[i] == Verdict::keep
//      For the report: dedup.report() (counts, cluster sizes, the largest clusters as (unit, index) of documents).
//   4. when config.data.dedup.substring is set, between 2 and 3 (part 0 alone): see substring.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "core/config/dedup.h"

namespace plumb::data {

struct Fingerprint {
  std::array<uint64_t, 2> hash{};  // 128 bits of SHA-256 of the text without white space at its ends
  std::vector<uint64_t> bands;     // a key per bucket, never 0; all 0: no words, like no other document
  std::vector<uint8_t> rows;       // 8 bits of each of the buckets x rows minima, when pairs are verified
  bool operator==(const Fingerprint&) const = default;
};

// Thread-safe and pure: the same text gives the same fingerprint on every machine.
class Fingerprinter {
 public:
  explicit Fingerprinter(const config::DedupSection&);
  ~Fingerprinter();
  Fingerprinter(Fingerprinter&&) noexcept;
  bool active() const;                      // whether exact or minhash is on
  nlohmann::ordered_json identity() const;  // everything that changes a fingerprint or a verdict
  uint64_t identity_hash() const;
  int64_t bands() const;  // 0 without minhash
  int64_t rows() const;   // bytes of Fingerprint::rows
  Fingerprint of(std::string_view text) const;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace plumb::data
