// Sorts more records than fit into memory: sorted runs in a scratch file, merged. The order is that of the records
// alone, so that the memory changes nothing (equal records are the same bytes).
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <queue>
#include <type_traits>
#include <vector>

#include "data/dedup/spill_file.h"

namespace plumb::data {

template <class Record>
class ExternalSorter {
  static_assert(std::is_trivially_copyable_v<Record>);

 public:
  // `expected` records (a bound or a guess) keep a small input from reserving all of `memory` bytes.
  ExternalSorter(std::filesystem::path folder, uint64_t memory, uint64_t expected)
      : folder_(std::move(folder)),
        memory_(memory),
        capacity_(std::max<uint64_t>(2, memory / sizeof(Record))),
        fan_in_(std::max<uint64_t>(2, memory / read_bytes)) {
    buffer_.reserve(static_cast<size_t>(std::min(capacity_, expected)));
  }

  void add(const Record& record) {
    if (buffer_.size() == capacity_) spill();
    buffer_.push_back(record);
  }

  // f(record) for all of them in order; the sorter is empty afterwards.
  template <class F>
  void each(F&& f) {
    if (!spill_) {
      std::sort(buffer_.begin(), buffer_.end());
      for (const Record& record : buffer_) f(record);
      buffer_.clear();
      return;
    }
    if (!buffer_.empty()) spill();
    buffer_ = {};  // its memory becomes that of the merge
    while (runs_.size() > fan_in_) merge_once();
    merge(0, runs_.size(), f);
    runs_.clear();
    spill_.reset();
  }

 private:
  static constexpr uint64_t read_bytes = uint64_t{16} << 10;  // at least, of one run in a merge
  struct Run {
    uint64_t offset, count;
  };

  void spill() {
    std::sort(buffer_.begin(), buffer_.end());
    if (!spill_) spill_.emplace(folder_);
    runs_.push_back({spill_->size(), buffer_.size()});
    spill_->append(std::as_bytes(std::span(buffer_)));
    buffer_.clear();
  }

  // Joins groups of runs into longer ones in a new scratch file.
  void merge_once() {
    SpillFile next(folder_);
    std::vector<Run> longer;
    std::vector<Record> out;
    const auto out_capacity = static_cast<size_t>(std::max<uint64_t>(1, read_bytes / sizeof(Record)));
    const auto flush = [&] {
      next.append(std::as_bytes(std::span(out)));
      out.clear();
    };
    for (size_t first = 0; first < runs_.size(); first += fan_in_) {
      Run run{next.size(), 0};
      merge(first, std::min(runs_.size(), first + static_cast<size_t>(fan_in_)), [&](const Record& record) {
        out.push_back(record);
        ++run.count;
        if (out.size() == out_capacity) flush();
      });
      flush();
      longer.push_back(run);
    }
    spill_.emplace(std::move(next));
    runs_ = std::move(longer);
  }

  struct Source {
    Run rest;
    std::vector<Record> records;
    size_t at = 0;
  };

  bool refill(Source& source, size_t most) const {
    const auto count = static_cast<size_t>(std::min<uint64_t>(most, source.rest.count));
    source.records.resize(count);
    source.at = 0;
    if (count == 0) return false;
    spill_->read(source.rest.offset, std::as_writable_bytes(std::span(source.records)));
    source.rest.offset += count * sizeof(Record);
    source.rest.count -= count;
    return true;
  }

  template <class F>
  void merge(size_t first, size_t last, F&& f) const {
    const uint64_t share = std::clamp<uint64_t>(memory_ / (last - first), read_bytes, uint64_t{4} << 20);
    const auto most = static_cast<size_t>(std::max<uint64_t>(1, share / sizeof(Record)));
    std::vector<Source> sources(last - first);
    const auto later = [&](size_t a, size_t b) {
      return sources[b].records[sources[b].at] < sources[a].records[sources[a].at];
    };
    std::priority_queue<size_t, std::vector<size_t>, decltype(later)> heads(later);
    for (size_t i = 0; i < sources.size(); ++i) {
      sources[i].rest = runs_[first + i];
      if (refill(sources[i], most)) heads.push(i);
    }
    while (!heads.empty()) {
      const size_t i = heads.top();
      heads.pop();
      f(sources[i].records[sources[i].at]);
      if (++sources[i].at < sources[i].records.size() || refill(sources[i], most)) heads.push(i);
    }
  }

  std::filesystem::path folder_;
  uint64_t memory_, capacity_, fan_in_;
  std::vector<Record> buffer_;
  std::optional<SpillFile> spill_;
  std::vector<Run> runs_;
};

}  // namespace plumb::data
