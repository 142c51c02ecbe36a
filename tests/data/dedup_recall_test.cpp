// Recall on planted pairs whose Jaccard similarity is known exactly, against 1 - (1 - s^rows)^buckets.
#include <cmath>

#include "tests/data/dedup_files.h"

namespace plumb::data {
namespace {

// Two documents of unique words that share a beginning: with n shingles each, c of them common, s = c / (2n - c).
class Pairs {
 public:
  explicit Pairs(uint64_t seed) : random_(seed) {}
  std::pair<std::string, std::string> make(int shingles, int common, int ngram) {
    std::string first, second;
    const int words = shingles + ngram - 1, shared = common == 0 ? 0 : common + ngram - 1;
    for (int i = 0; i < words; ++i) {
      const std::string word = next();
      first += word;
      second += i < shared ? word : next();
    }
    return {first, second};
  }

 private:
  std::string next() {  // 70 bits of letters: never the same word twice
    std::string word(15, ' ');
    uint64_t bits = random_(), more = random_();
    for (int i = 0; i < 14; ++i) {
      uint64_t& from = i < 7 ? bits : more;
      word[static_cast<size_t>(i)] = static_cast<char>('a' + (from & 15) + (from >> 4 & 7));
      from >>= 9;
    }
    return word;
  }
  std::mt19937_64 random_;
};

double promised(double s, double rows, double buckets) { return 1 - std::pow(1 - std::pow(s, rows), buckets); }

void expect_recall(config::DedupSection section, int shingles, int pairs, uint64_t seed) {
  const Fingerprinter print(section);
  Pairs maker(seed);
  for (double s = 0.5; s < 0.96; s += 0.05) {
    const int common = static_cast<int>(std::lround(2 * shingles * s / (1 + s)));
    const double exact = static_cast<double>(common) / (2 * shingles - common);
    int met = 0;
    for (int i = 0; i < pairs; ++i) {
      const auto [a, b] = maker.make(shingles, common, static_cast<int>(section.ngram));
      const auto x = print.of(a).bands, y = print.of(b).bands;
      bool shared = false;
      for (size_t k = 0; k < x.size(); ++k) shared = shared || x[k] == y[k];
      met += shared;
    }
    const double recall = static_cast<double>(met) / pairs,
                 theory = promised(exact, static_cast<double>(section.rows), static_cast<double>(section.buckets));
    EXPECT_NEAR(recall, theory, 0.01) << "s " << exact << ", " << shingles << " shingles";
    printf("  s %.4f  recall %.4f  1-(1-s^r)^b %.4f  (%d pairs of %d shingles, %d x %d)\n", exact, recall, theory,
           pairs, shingles, static_cast<int>(section.buckets), static_cast<int>(section.rows));
  }
}

TEST(MinhashRecall, AsPromisedForTheDefaults) { expect_recall(dedup_section(false, true), 100, 20000, 1); }

TEST(MinhashRecall, AsPromisedForLongerDocuments) { expect_recall(dedup_section(false, true), 1000, 6000, 2); }

TEST(MinhashRecall, AsPromisedForOtherBucketsAndNgrams) {
  auto section = dedup_section(false, true);
  section.ngram = 13, section.buckets = 20, section.rows = 13;
  expect_recall(section, 60, 40000, 3);
  section.ngram = 1, section.buckets = 9, section.rows = 13;
  expect_recall(section, 60, 60000, 4);
}

// Verification keeps what is above the threshold and takes away what is clearly below it.
TEST(MinhashRecall, VerificationCutsFalsePositives) {
  const Fingerprinter print(dedup_section(false, true, 0.7));
  Pairs maker(7);
  for (const auto& [common, least, most] : {std::tuple(114, 0.0, 0.02), {178, 0.98, 1.0}}) {  // of 200: s 0.40, 0.80
    int met = 0, verified = 0;
    for (int i = 0; met < 400; ++i) {
      const auto [a, b] = maker.make(200, common, 5);
      const auto x = print.of(a), y = print.of(b);
      bool shared = false;
      for (size_t k = 0; k < x.bands.size(); ++k) shared = shared || x.bands[k] == y.bands[k];
      if (!shared) continue;
      ++met;
      verified += estimated_similarity(x.rows, y.rows) >= 0.7;
    }
    const double share = static_cast<double>(verified) / met;
    printf("  s %.2f: of %d pairs that met in a bucket %.3f pass verify 0.7\n", common / (400.0 - common), met, share);
    EXPECT_GE(share, least);
    EXPECT_LE(share, most);
  }
}

}  // namespace
}  // namespace plumb::data
