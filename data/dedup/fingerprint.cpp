#include "data/dedup/fingerprint.h"

#include <xxhash.h>

#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "data/dedup/minhash_kernel.h"
#include "data/dedup/simple_characters.h"
#include "data/dedup/simple_words.h"

namespace plumb::data {
namespace {

constexpr size_t block = 256;                        // shingles at once: they stay in the first cache
constexpr uint64_t multiplier = 0x9FB21C651E98DF25;  // of the polynomial over word hashes; odd
constexpr std::string_view white_space = " \t\n\r\f\v";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(white_space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

// SHA-256, because a hash whose collisions can be made would let one document delete another.
std::array<uint64_t, 2> exact_hash(std::string_view text) {
  const std::string hex = core::sha256(trimmed(text));
  std::array<uint64_t, 2> hash{};
  for (size_t i = 0; i < 32; ++i) {
    const char c = hex[i];
    hash[i / 16] = hash[i / 16] << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return hash;
}

// The finalizer of MurmurHash3: every bit of the shingle depends on every bit of the polynomial.
uint64_t mixed(uint64_t h) {
  h = (h ^ (h >> 33)) * 0xFF51AFD7ED558CCD;
  h = (h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53;
  return h ^ (h >> 33);
}

}  // namespace

struct Fingerprinter::State {
  config::DedupSection section;
  MinhashRows rows;
  MinhashPath path;
  uint64_t oldest;  // multiplier^ngram
  explicit State(const config::DedupSection& from)
      : section(from), rows(static_cast<size_t>(from.buckets * from.rows)), path(best_path()), oldest(1) {
    for (int64_t i = 0; i < from.ngram; ++i) oldest *= multiplier;
  }

  // Hashes of all runs of `ngram` words, a block at a time; of all words together if there are fewer.
  template <class Take>
  void each_block(const std::vector<uint64_t>& words, Take&& take) const {
    uint32_t low[block], high[block];
    size_t filled = 0;
    uint64_t sum = 0;
    const auto put = [&] {
      const uint64_t shingle = mixed(sum);
      low[filled] = static_cast<uint32_t>(shingle), high[filled] = static_cast<uint32_t>(shingle >> 32);
      if (++filled == block) take(low, high, std::exchange(filled, 0));
    };
    const auto n = static_cast<size_t>(section.ngram);
    for (size_t i = 0; i < words.size(); ++i) {
      sum = sum * multiplier + words[i];
      if (i >= n) sum -= oldest * words[i - n];
      if (i + 1 >= n) put();
    }
    if (!words.empty() && words.size() < n) put();
    if (filled > 0) take(low, high, filled);
  }
};

Fingerprinter::Fingerprinter(const config::DedupSection& section) {
  if (section.buckets < 1 || section.rows < 1 || section.ngram < 1 || section.buckets > 256 || section.rows > 64)
    fail_internal("MinHash with buckets, rows or n-gram out of range");
  state_ = std::make_unique<const State>(section);
}

Fingerprinter::~Fingerprinter() = default;
Fingerprinter::Fingerprinter(Fingerprinter&&) noexcept = default;

bool Fingerprinter::active() const { return state_->section.exact || state_->section.minhash; }

int64_t Fingerprinter::bands() const { return state_->section.minhash ? state_->section.buckets : 0; }

int64_t Fingerprinter::rows() const {
  const auto& section = state_->section;
  return section.minhash && section.verify > 0 ? section.buckets * section.rows : 0;
}

nlohmann::ordered_json Fingerprinter::identity() const {
  const auto& section = state_->section;
  nlohmann::ordered_json json = {{"format", 1}, {"exact", section.exact}, {"minhash", section.minhash}};
  if (section.minhash) {
    json["ngram"] = section.ngram;
    json["buckets"] = section.buckets;
    json["rows"] = section.rows;
    json["verify"] = section.verify;
    json["characters"] = SimpleCharacters::identity();
  }
  return json;
}

uint64_t Fingerprinter::identity_hash() const { return core::xxh3(identity().dump()); }

Fingerprint Fingerprinter::of(std::string_view text) const {
  Fingerprint result;
  result.hash = exact_hash(text);
  if (!state_->section.minhash) return result;
  result.bands.assign(static_cast<size_t>(bands()), 0);
  result.rows.assign(static_cast<size_t>(rows()), 0);
  static thread_local std::vector<uint64_t> words;
  static thread_local std::vector<uint32_t> minima;
  simple_word_hashes(text, words);
  if (words.empty()) return result;
  minima.assign(state_->rows.low.size(), ~uint32_t{0});
  state_->each_block(words, [&](const uint32_t* low, const uint32_t* high, size_t count) {
    lower_minima(state_->path, state_->rows, low, high, count, minima.data());
  });
  const auto rows_each = static_cast<size_t>(state_->section.rows);
  for (size_t i = 0; i < result.bands.size(); ++i) {
    const uint64_t key = XXH3_64bits_withSeed(&minima[i * rows_each], rows_each * sizeof(uint32_t), i + 1);
    result.bands[i] = key == 0 ? 1 : key;
  }
  for (size_t i = 0; i < result.rows.size(); ++i) result.rows[i] = static_cast<uint8_t>(minima[i] * 0x9E3779B1u >> 24);
  if (words.capacity() > size_t{1} << 20) words = {};  // one huge document does not hold its memory for ever
  return result;
}

}  // namespace plumb::data
