// Corpora for the tests of deduplication: units of fingerprints in a folder, and what a naive reader makes of them.
#pragma once

#include <fmt/format.h>

#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "data/dedup/band_pass.h"
#include "data/dedup/deduplicator.h"
#include "data/dedup/fingerprint_file.h"
#include "tests/data/data_files.h"

namespace plumb::data {

using Texts = std::vector<std::vector<std::string>>;  // unit, document

inline config::DedupSection dedup_section(bool exact, bool minhash, double verify = 0) {
  config::DedupSection section;
  section.exact = exact, section.minhash = minhash, section.verify = verify;
  return section;
}

class DedupTest : public DataTest {
 protected:
  // Fingerprint files of all units in a new folder below the test's own.
  std::vector<std::filesystem::path> write_units(const config::DedupSection& section, const Texts& units,
                                                 const std::filesystem::path& folder) const {
    std::filesystem::create_directories(folder);
    const Fingerprinter fingerprinter(section);
    std::vector<std::filesystem::path> files;
    for (size_t u = 0; u < units.size(); ++u) {
      files.push_back(folder / fmt::format("unit-{}.fingerprints", u));
      FingerprintWriter out(files.back(), fingerprinter);
      for (const auto& text : units[u]) out.add(fingerprinter.of(text));
      out.commit();
    }
    return files;
  }

  // All parts one after the other, then the end by part 0. Every file of the result by name.
  std::map<std::string, std::string> results(const config::DedupSection& section,
                                             const std::vector<std::filesystem::path>& files,
                                             const std::filesystem::path& folder, int parts = 1,
                                             int threads = 1) const {
    std::filesystem::create_directories(folder);
    for (int part = parts - 1; part >= 0; --part) {
      Deduplicator dedup(section, {files, folder, part, parts, threads});
      EXPECT_EQ(dedup.passes_done(), false);
      dedup.passes();
    }
    Deduplicator dedup(section, {files, folder, 0, parts, threads});
    EXPECT_TRUE(dedup.passes_done());
    EXPECT_FALSE(dedup.finished());
    dedup.finish();
    EXPECT_TRUE(dedup.finished());
    return contents(folder);
  }
  static std::map<std::string, std::string> contents(const std::filesystem::path& folder) {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() != ".fingerprints") all[entry.path().filename().string()] = slurp(entry.path());
    return all;
  }
};

// Every pair compared; clusters by walking from document to document.
inline std::vector<Verdict> naive_verdicts(const config::DedupSection& section, const Texts& units) {
  const Fingerprinter fingerprinter(section);
  std::vector<Fingerprint> all;
  for (const auto& unit : units)
    for (const auto& text : unit) all.push_back(fingerprinter.of(text));
  const auto same = [&](size_t a, size_t b) { return section.exact && all[a].hash == all[b].hash; };
  const auto near = [&](size_t a, size_t b) {
    bool shared = false;
    for (size_t i = 0; i < all[a].bands.size(); ++i)
      shared = shared || (all[a].bands[i] != 0 && all[a].bands[i] == all[b].bands[i]);
    return shared && (section.verify <= 0 || estimated_similarity(all[a].rows, all[b].rows) >= section.verify);
  };
  std::vector<Verdict> verdicts(all.size(), Verdict::keep);
  std::vector<bool> seen(all.size());
  for (size_t first = 0; first < all.size(); ++first) {
    if (seen[first]) continue;
    std::vector<size_t> waiting{first};
    seen[first] = true;
    while (!waiting.empty()) {
      const size_t now = waiting.back();
      waiting.pop_back();
      for (size_t other = 0; other < all.size(); ++other) {
        if (seen[other] || !(same(now, other) || near(now, other))) continue;
        seen[other] = true;
        verdicts[other] = Verdict::near;
        waiting.push_back(other);
      }
    }
  }
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t earlier = 0; earlier < i && verdicts[i] == Verdict::near; ++earlier)
      if (same(earlier, i)) verdicts[i] = Verdict::exact;
  return verdicts;
}

// Documents of random words; some are copies, some copies with changes of all sizes.
inline Texts random_corpus(uint64_t seed, size_t units, size_t documents) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return random() % n; };
  std::vector<std::vector<std::string>> words;  // of every document so far
  Texts texts(units);
  for (size_t u = 0; u < units; ++u) {
    for (size_t d = 0; d < documents; ++d) {
      std::vector<std::string> document;
      if (!words.empty() && below(3) == 0) {
        document = words[below(words.size())];
        const uint64_t changes = below(4) == 0 ? 0 : below(document.size() / 8 + 2);
        for (uint64_t i = 0; i < changes && !document.empty(); ++i)
          document[below(document.size())] = fmt::format("x{}y", static_cast<char>('a' + below(26)));
      } else {
        const uint64_t size = below(10) == 0 ? below(7) : 5 + below(120);
        for (uint64_t i = 0; i < size; ++i)
          document.push_back(fmt::format("{}{}{}", static_cast<char>('a' + below(26)),
                                         static_cast<char>('a' + below(26)), static_cast<char>('a' + below(26))));
      }
      words.push_back(document);
      std::string text = below(5) == 0 ? "\n " : "";
      for (const auto& word : document) text += word + (below(9) == 0 ? ", " : " ");
      texts[u].push_back(below(40) == 0 ? "" : text);
    }
  }
  return texts;
}

}  // namespace plumb::data
