// BPE training, step by step as the BpeTrainer of `tokenizers` does it (same queue, same ties), with 64-bit counts: its
// 32-bit ones overflow on large corpora and lose merges.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "core/error.h"
#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/compose.h"
#include "data/tokenizer/unicode.h"
#include "data/tokenizer/word_counts.h"

namespace plumb::data {

namespace {

using Pair = uint64_t;  // left << 32 | right: compares as (left, right)
Pair make_pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

struct Candidate {
  int64_t count;
  Pair pair;
  std::vector<int32_t> words;  // where the pair was seen when this candidate was made
  // Order of the heap: the highest count first, then the smallest pair.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Training {
 public:
  Training(const std::vector<std::string>& specials, const std::vector<std::pair<std::string, int64_t>>& words) {
    for (const auto& text : specials) add_token(text);
    auto alphabet = byte_level_alphabet();
    std::sort(alphabet.begin(), alphabet.end());
    for (const uint32_t character : alphabet) {
      std::string text;
      append_utf8(character, text);
      add_token(text);
    }
    for (const auto& [word, count] : words) add_word(word, count);
    count_pairs();
  }

  void run(int64_t vocab_size, int64_t min_frequency) {
    while (static_cast<int64_t>(tokens_.size()) < vocab_size && !heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      Candidate top = std::move(heap_.back());
      heap_.pop_back();
      if (const int64_t now = counts_[top.pair]; top.count != now) {  // outdated: back into the queue
        top.count = now;
        push(std::move(top));
        continue;
      }
      if (top.count < std::max<int64_t>(min_frequency, 1)) break;
      merge(top);
    }
  }

  const std::vector<std::string>& tokens() const { return tokens_; }
  const std::vector<std::pair<std::string, std::string>>& merges() const { return merges_; }

 private:
  struct Word {
    size_t begin;
    int32_t length;
    int64_t count;
  };

  int32_t add_token(const std::string& text) {
    const auto [at, is_new] = ids_.emplace(text, static_cast<int32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(text);
    return at->second;
  }

  void add_word(const std::string& word, int64_t count) {
    words_.push_back({symbols_.size(), static_cast<int32_t>(word.size()), count});
    for (const char byte : word) symbols_.push_back(ids_.at(to_byte_level(std::string_view(&byte, 1))));
  }

  void push(Candidate candidate) {
    heap_.push_back(std::move(candidate));
    std::push_heap(heap_.begin(), heap_.end());
  }

  void saw(Pair pair, int32_t word) {
    auto& seen = seen_[pair];
    if (seen.empty() || seen.back() != word) seen.push_back(word);
  }

  void count_pairs() {
    for (size_t w = 0; w < words_.size(); ++w) {
      const int32_t* symbols = symbols_.data() + words_[w].begin;
      for (int32_t i = 0; i + 1 < words_[w].length; ++i) {
        const Pair pair = make_pair_key(symbols[i], symbols[i + 1]);
        counts_[pair] += words_[w].count;
        saw(pair, static_cast<int32_t>(w));
      }
    }
    queue_seen();
  }

  void queue_seen() {
    for (auto& [pair, words] : seen_)
      if (const int64_t count = counts_[pair]; count > 0) push({count, pair, std::move(words)});
    seen_.clear();
  }

  void merge(const Candidate& top) {
    const auto left = static_cast<int32_t>(top.pair >> 32), right = static_cast<int32_t>(top.pair & 0xFFFFFFFFu);
    const auto& left_text = tokens_[static_cast<size_t>(left)];
    const auto& right_text = tokens_[static_cast<size_t>(right)];
    merges_.emplace_back(left_text, right_text);
    const int32_t joined = add_token(left_text + right_text);  // may exist already, built from other halves
    for (const int32_t word : top.words) merge_in_word(word, left, right, joined);
    queue_seen();
  }

  void merge_in_word(int32_t index, int32_t left, int32_t right, int32_t joined) {
    Word& word = words_[static_cast<size_t>(index)];
    int32_t* symbols = symbols_.data() + word.begin;
    const auto change = [&](int32_t a, int32_t b, int64_t by) {
      const Pair pair = make_pair_key(a, b);
      counts_[pair] += by * word.count;
      if (by > 0) saw(pair, index);
    };
    int32_t kept = 0;  // symbols before `kept` are final; `i` reads ahead of it
    for (int32_t i = 0; i < word.length; ++i, ++kept) {
      if (symbols[i] != left || i + 1 >= word.length || symbols[i + 1] != right) {
        symbols[kept] = symbols[i];
        continue;
      }
      if (kept > 0) {
        change(symbols[kept - 1], left, -1);
        change(symbols[kept - 1], joined, 1);
      }
      if (i + 2 < word.length) {
        change(right, symbols[i + 2], -1);
        change(joined, symbols[i + 2], 1);
      }
      symbols[kept] = joined;
      ++i;
    }
    word.length = kept;
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<int32_t> symbols_;  // of all words, one behind the other
  std::vector<Word> words_;
  std::unordered_map<Pair, int64_t> counts_;
  std::unordered_map<Pair, std::vector<int32_t>> seen_;  // pairs made since the queue was last filled
  std::vector<Candidate> heap_;
  std::vector<std::pair<std::string, std::string>> merges_;
};

}  // namespace

struct BpeTrainer::State {
  BpeTrainOptions options;
  std::vector<std::string> specials;
  WordCounts words;
};

BpeTrainer::BpeTrainer(BpeTrainOptions options)
    : state_(std::make_unique<State>(State{options, {}, WordCounts(options.threads)})) {
  state_->specials = special_texts(state_->options.specials);
  const auto least = static_cast<int64_t>(state_->specials.size()) + 256;
  if (options.vocab_size < least || options.vocab_size > INT32_MAX)
    fail_input("tokenizer.vocab_size", fmt::format("expected at least {} (256 bytes and {} special tokens), found {}",
                                                   least, state_->specials.size(), options.vocab_size));
}

BpeTrainer::~BpeTrainer() = default;

void BpeTrainer::add(std::string_view document) { state_->words.add(document); }

TokenizerPtr BpeTrainer::train() {
  const BpeTrainOptions& options = state_->options;
  Training training(state_->specials, state_->words.take());
  training.run(options.vocab_size, options.min_frequency);
  const auto size = static_cast<int64_t>(training.tokens().size());
  if (size < options.vocab_size)
    fail_input("tokenizer.vocab_size",
               fmt::format("expected text enough for {} tokens, found pairs for {}", options.vocab_size, size),
               fmt::format("tokenizer.vocab_size={} or more text", size));
  Composition composition;
  composition.vocabulary = training.tokens();
  composition.merges = training.merges();
  for (size_t id = 0; id < state_->specials.size(); ++id)
    composition.special_tokens.emplace_back(state_->specials[id], static_cast<int64_t>(id));
  return compose_tokenizer(composition, options.specials);
}

}  // namespace plumb::data
