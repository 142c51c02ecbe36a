#include "data/tokenizer/word_counts.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "data/tokenizer/scanner.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {
constexpr size_t kBatchBytes = size_t{16} << 20;
}

WordCounts::WordCounts(int threads) : counts_(static_cast<size_t>(std::max(threads, 1))) {}

void WordCounts::count(std::string_view document, Map& counts) {
  std::string repaired;
  if (!is_valid_utf8(document)) document = repaired = repair_utf8(document);
  scan_pieces(Scanner::gpt2, document, [&](const char* begin, const char* end) {
    const std::string_view word(begin, static_cast<size_t>(end - begin));
    if (const auto found = counts.find(word); found != counts.end())
      ++found->second;
    else
      counts.emplace(word, 1);
  });
}

void WordCounts::add(std::string_view document) {
  if (counts_.size() == 1) return count(document, counts_[0]);
  pending_.emplace_back(document);
  pending_bytes_ += document.size();
  if (pending_bytes_ >= kBatchBytes) flush();
}

void WordCounts::flush() {
  std::atomic<size_t> next{0};
  std::vector<std::exception_ptr> failures(counts_.size());
  std::vector<std::thread> threads;
  for (size_t t = 0; t < counts_.size(); ++t) {
    threads.emplace_back([&, t] {
      try {
        for (size_t i = next++; i < pending_.size(); i = next++) count(pending_[i], counts_[t]);
      } catch (...) {
        failures[t] = std::current_exception();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
  pending_.clear();
  pending_bytes_ = 0;
}

std::vector<std::pair<std::string, int64_t>> WordCounts::take() {
  if (!pending_.empty()) flush();
  for (size_t t = 1; t < counts_.size(); ++t) {
    for (const auto& [word, count] : counts_[t]) counts_[0][word] += count;
    counts_[t] = Map();
  }
  std::vector<std::pair<std::string, int64_t>> words(counts_[0].begin(), counts_[0].end());
  counts_[0] = Map();
  std::sort(words.begin(), words.end());
  return words;
}

}  // namespace plumb::data
