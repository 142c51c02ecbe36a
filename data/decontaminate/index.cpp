#include "data/decontaminate/index.h"

#include <algorithm>
#include <bit>
#include <set>
#include <tuple>
#include <unordered_map>

#include "core/error.h"
#include "core/log.h"

namespace plumb::data::decontaminate {

ItemIndex::ItemIndex(size_t ngram, int key_bits)
    : ngram_(ngram), mask_(key_bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << key_bits) - 1) {}

void ItemIndex::add(uint32_t set, uint32_t number, const Words& words) {
  if (set >= sets_.size()) sets_.resize(set + 1);
  ++sets_[set].items;
  if (words.size() < std::min(shortest_item, ngram_)) {
    ++sets_[set].too_short;
    return;
  }
  const uint64_t need = (text_.size() + words.text.size()) + (offsets_.size() + words.size()) * (sizeof(Entry) + 32);
  if (need > index_limit) {
    throw Error(ExitCode::out_of_resources,
                "the evaluation sets are too large to be looked for: more than " +
                    core::human_bytes(static_cast<double>(index_limit)) + " of index",
                "data.decontaminate", "leave out the largest set, or give it a limit");
  }
  RollingHash hash(words.size());
  hash.read(words.hashes);
  auto& same = seen_[{set, hash.at(0, words.size())}];
  for (const uint32_t other : same) {
    if (items_[other].words != words.size() ||
        run(items_[other].first_word, words.size()) != words.run(0, words.size()))
      continue;
    items_[other].twins.push_back(number);
    return;
  }
  same.push_back(static_cast<uint32_t>(items_.size()));
  Item item{set, number, static_cast<uint32_t>(offsets_.size()), static_cast<uint32_t>(words.size()), {}};
  for (size_t i = 0; i < words.size(); ++i) {
    offsets_.push_back(static_cast<uint32_t>(text_.size() + words.offsets[i]));
    lengths_.push_back(words.offsets[i + 1] - 1 - words.offsets[i]);
  }
  text_ += words.text;
  const size_t count = count_of(item);
  for (size_t i = 0; i + count <= words.size(); ++i)
    entries_.push_back(
        {hash.at(i, count) & mask_, static_cast<uint32_t>(item.first_word + i), static_cast<uint32_t>(items_.size())});
  if (std::find(counts_.begin(), counts_.end(), count) == counts_.end()) counts_.push_back(count);
  items_.push_back(std::move(item));
}

void ItemIndex::finish() {
  seen_.clear();
  std::sort(counts_.begin(), counts_.end());
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.key, a.item, a.word) < std::tie(b.key, b.item, b.word);
  });
  drop_templates();
  make_table();
}

// Whether enough places of these words in this item are kept already; they are the last ones.
bool ItemIndex::has_places(const std::vector<Entry>& kept, const Entry& entry) const {
  const size_t count = count_of(items_[entry.item]);
  size_t places = 0;
  for (size_t i = kept.size(); i-- > 0 && kept[i].key == entry.key && kept[i].item == entry.item;)
    places += run(kept[i].word, count) == run(entry.word, count);
  return places >= item_places;
}

// Leaves out n-grams that stand in more than template_items items of one set: they are how its questions are put. Of
// one that an item repeats, a few places are kept. Both bound what a document can ask for.
void ItemIndex::drop_templates() {
  std::vector<Entry> kept;
  for (size_t begin = 0, end = 0; begin < entries_.size(); begin = end) {
    while (end < entries_.size() && entries_[end].key == entries_[begin].key) ++end;
    std::map<std::pair<uint32_t, std::string_view>, std::set<uint32_t>> holders;  // by set and words
    for (size_t i = begin; end - begin > template_items && i < end; ++i)
      holders[holder_of(entries_[i])].insert(entries_[i].item);
    for (const auto& [holder, items] : holders) sets_[holder.first].template_ngrams += items.size() > template_items;
    for (size_t i = begin; i < end; ++i) {
      if (has_places(kept, entries_[i])) continue;
      if (holders.empty() || holders[holder_of(entries_[i])].size() <= template_items) kept.push_back(entries_[i]);
    }
  }
  kept.shrink_to_fit();
  entries_ = std::move(kept);
}

void ItemIndex::make_table() {
  size_t keys = 0;
  for (size_t i = 0; i < entries_.size(); ++i) keys += i == 0 || entries_[i].key != entries_[i - 1].key;
  const size_t slots = std::bit_ceil(std::max<size_t>(16, 2 * keys));
  slots_.assign(slots, 0);
  slot_mask_ = slots - 1;
  const size_t bits = std::bit_ceil(std::max<size_t>(4096, 16 * keys));  // one lookup in sixteen passes by chance
  filter_.assign(bits / 64, 0);
  filter_mask_ = bits - 1;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (i > 0 && entries_[i].key == entries_[i - 1].key) continue;
    const uint64_t key = entries_[i].key;
    uint64_t slot = key & slot_mask_;
    while (slots_[slot]) slot = (slot + 1) & slot_mask_;
    slots_[slot] = static_cast<uint32_t>(i + 1);
    const uint64_t bit = (key >> 16) & filter_mask_;
    filter_[bit / 64] |= uint64_t{1} << (bit % 64);
  }
}

// The number of the first entry of the key, from 1; 0: none.
uint32_t ItemIndex::first_entry(uint64_t key) const {
  const uint64_t bit = (key >> 16) & filter_mask_;
  if (!(filter_[bit / 64] >> (bit % 64) & 1)) return 0;
  for (uint64_t slot = key & slot_mask_; slots_[slot]; slot = (slot + 1) & slot_mask_)
    if (entries_[slots_[slot] - 1].key == key) return slots_[slot];
  return 0;
}

std::vector<Shared> ItemIndex::look_up(const Words& words) const {
  std::vector<Shared> shared;
  if (entries_.empty()) return shared;
  thread_local RollingHash hash(256);
  hash.read(words.hashes);
  std::unordered_map<uint32_t, size_t> numbers;  // of the index -> in `shared`
  std::vector<std::vector<bool>> starts;         // where an n-gram begins in the item
  for (const size_t count : counts_) {
    for (uint32_t first = 0; first + count <= words.size(); ++first) {
      const uint64_t key = hash.at(first, count) & mask_;
      const uint32_t start = first_entry(key);
      if (start == 0) continue;
      for (size_t i = start - 1; i < entries_.size() && entries_[i].key == key; ++i) {
        const Entry& entry = entries_[i];
        const Item& item = items_[entry.item];
        if (count_of(item) != count || run(entry.word, count) != words.run(first, count)) continue;
        const auto [known, is_new] = numbers.try_emplace(entry.item, shared.size());
        if (is_new) {
          shared.push_back({entry.item, 0, {}});
          starts.emplace_back(item.words);
        }
        starts[known->second][entry.word - item.first_word] = true;
        auto& ranges = shared[known->second].ranges;
        const auto length = static_cast<uint32_t>(count);
        if (ranges.empty() || first > ranges.back().first + ranges.back().words) {
          ranges.push_back({first, length, 1});
        } else {
          auto& last = ranges.back();
          last.ngrams += first + length > last.first + last.words;  // an item may hold the same n-gram at two places
          last.words = first + length - last.first;
        }
      }
    }
  }
  for (size_t i = 0; i < shared.size(); ++i) {
    const size_t count = count_of(items_[shared[i].item]);
    for (size_t word = 0, end = 0; word < starts[i].size(); ++word) {
      if (starts[i][word]) end = word + count;
      shared[i].covered += word < end;
    }
  }
  std::sort(shared.begin(), shared.end(), [](const Shared& a, const Shared& b) { return a.item < b.item; });
  return shared;
}

}  // namespace plumb::data::decontaminate
