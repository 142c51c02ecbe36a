#include "data/dedup/band_pass.h"

#include <algorithm>
#include <list>
#include <tuple>

#include "core/error.h"
#include "data/dedup/external_sort.h"
#include "data/dedup/fingerprint_file.h"
#include "data/dedup/word_file.h"

namespace plumb::data {
namespace {

struct ExactRecord {
  uint64_t high, low, document;
  bool operator<(const ExactRecord& o) const {
    return std::tie(high, low, document) < std::tie(o.high, o.low, o.document);
  }
  bool same(const ExactRecord& o) const { return high == o.high && low == o.low; }
};

struct BandRecord {
  uint64_t key, document;
  bool operator<(const BandRecord& o) const { return std::tie(key, document) < std::tie(o.key, o.document); }
  bool same(const BandRecord& o) const { return key == o.key; }
};

// Minima of single documents, with the few files open that were used last.
class RowsOfDocuments {
 public:
  explicit RowsOfDocuments(const DedupInput& input) : input_(input) {}

  std::vector<uint8_t> rows(uint64_t document) {
    const size_t unit = input_.unit_of(document);
    std::vector<uint8_t> bytes(static_cast<size_t>(input_.fingerprinter->rows()));
    reader(unit).rows(static_cast<int64_t>(document - input_.first[unit]), bytes);
    return bytes;
  }

 private:
  static constexpr size_t most_open = 16;

  const FingerprintReader& reader(size_t unit) {
    const auto found = std::find_if(open_.begin(), open_.end(), [&](const auto& one) { return one.first == unit; });
    if (found != open_.end()) {
      open_.splice(open_.begin(), open_, found);
    } else {
      if (open_.size() == most_open) open_.pop_back();
      open_.emplace_front(unit, FingerprintReader(input_.files[unit], *input_.fingerprinter));
    }
    return open_.front().second;
  }

  const DedupInput& input_;
  std::list<std::pair<size_t, FingerprintReader>> open_;  // used last first
};

// The documents of one key, in order, and the pairs they make.
class Group {
 public:
  Group(const BandPass& pass, WordWriter& out)
      : out_(out), rows_(*pass.input), verify_(pass.band < 0 ? 0 : pass.verify) {}

  void add(uint64_t document) {
    if (verify_ <= 0) {
      if (members_.empty())
        members_.push_back(document);
      else
        pair(members_.front(), document);
      return;
    }
    if (!large_ && members_.size() < most_pairs) return members_.push_back(document);
    if (!large_) {
      large_ = true;
      for (const uint64_t member : members_) compare(member);
    }
    compare(document);
  }

  void end() {
    if (verify_ > 0 && !large_ && members_.size() > 1)
      for (const uint64_t member : members_) compare(member);
    members_.clear();
    heads_.clear();
    large_ = false;
  }

 private:
  // Up to so many documents are compared each with each. In a larger group a document is compared with the first of
  // each of at most as many sets of alike ones, or one popular key would cost the square of its documents.
  static constexpr size_t most_pairs = 64;
  struct Head {
    uint64_t document;
    std::vector<uint8_t> rows;
  };

  void pair(uint64_t earlier, uint64_t later) {
    out_.add(earlier);
    out_.add(later);
  }

  void compare(uint64_t document) {
    Head head{document, rows_.rows(document)};
    bool alike = false;
    for (const Head& other : heads_) {
      if (estimated_similarity(other.rows, head.rows) < verify_) continue;
      pair(other.document, document);
      alike = true;
    }
    if (!large_ || (!alike && heads_.size() < most_pairs)) heads_.push_back(std::move(head));
  }

  WordWriter& out_;
  RowsOfDocuments rows_;
  double verify_;
  std::vector<uint64_t> members_;
  std::vector<Head> heads_;
  bool large_ = false;
};

template <class Record, class Add>
void each_block(const BandPass& pass, ExternalSorter<Record>& sorter, Add&& add) {
  const DedupInput& input = *pass.input;
  std::vector<uint64_t> words;
  for (size_t unit = 0; unit < input.files.size(); ++unit) {
    const FingerprintReader reader(input.files[unit], *input.fingerprinter);
    if (static_cast<uint64_t>(reader.documents()) != input.first[unit + 1] - input.first[unit])
      fail_input(input.files[unit].string(), "it changed while it was read", "start the build again");
    uint64_t document = input.first[unit];
    for (int64_t block = 0; block < reader.blocks(); ++block) {
      if (pass.stop && pass.stop->load()) return;
      if (pass.band < 0)
        reader.hashes(block, words);
      else
        reader.band(block, pass.band, words);
      add(sorter, words, document);
    }
  }
}

template <class Record>
void write_pairs(const BandPass& pass, ExternalSorter<Record>& sorter, uint64_t without_key) {
  WordWriter out(pass.out, WordKind::edges, pass.input->identity);
  Group group(pass, out);
  Record last{};
  bool any = false;
  sorter.each([&](const Record& record) {
    if (any && !last.same(record)) group.end();
    group.add(record.document);
    last = record;
    any = true;
  });
  group.end();
  if (pass.stop && pass.stop->load()) return;
  out.commit(without_key);
}

}  // namespace

size_t DedupInput::unit_of(uint64_t document) const {
  const auto after = std::upper_bound(first.begin(), first.end(), document);
  return static_cast<size_t>(after - first.begin()) - 1;
}

void BandPass::run() const {
  uint64_t without_key = 0;
  if (band < 0) {
    ExternalSorter<ExactRecord> sorter(folder, memory, input->documents());
    each_block(*this, sorter, [](auto& to, const std::vector<uint64_t>& words, uint64_t& document) {
      for (size_t i = 0; i + 1 < words.size(); i += 2) to.add({words[i], words[i + 1], document++});
    });
    return write_pairs(*this, sorter, without_key);
  }
  ExternalSorter<BandRecord> sorter(folder, memory, input->documents());
  each_block(*this, sorter, [&](auto& to, const std::vector<uint64_t>& words, uint64_t& document) {
    for (const uint64_t key : words) {
      if (key == 0)
        ++without_key;
      else
        to.add({key, document});
      ++document;
    }
  });
  write_pairs(*this, sorter, without_key);
}

double estimated_similarity(const std::vector<uint8_t>& a, const std::vector<uint8_t>& b) {
  size_t equal = 0;
  for (size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
  const double share = static_cast<double>(equal) / static_cast<double>(a.size());
  return (share - 1.0 / 256) / (1 - 1.0 / 256);
}

}  // namespace plumb::data
