// Ids of the short pieces a thread met before, for the models that have no faster way.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace plumb::data {

class PieceCache {
 public:
  // Appends the ids of `piece`, which encode(piece, ids) makes if they are not known.
  template <class Encode>
  void encode(std::string_view piece, std::vector<int32_t>& ids, Encode&& encode) {
    if (piece.empty() || piece.size() > kLongest) return encode(piece, ids);
    Entry& entry = entries_[std::hash<std::string_view>{}(piece) & (kEntries - 1)];
    if (entry.size != piece.size() || std::memcmp(entry.text.data(), piece.data(), piece.size()) != 0) {
      const size_t before = ids.size();
      encode(piece, ids);
      const size_t count = ids.size() - before;
      if (count > kMostIds) return;
      entry.size = static_cast<uint8_t>(piece.size());
      entry.count = static_cast<uint8_t>(count);
      std::memcpy(entry.text.data(), piece.data(), piece.size());
      std::copy_n(ids.begin() + static_cast<std::ptrdiff_t>(before), count, entry.ids.begin());
      return;
    }
    ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
  }

 private:
  static constexpr size_t kEntries = size_t{1} << 15, kLongest = 30, kMostIds = 8;  // 2 MiB
  struct Entry {
    uint8_t size = 0, count = 0;  // size 0: free
    std::array<char, kLongest> text;
    std::array<int32_t, kMostIds> ids;
  };
  std::unique_ptr<Entry[]> entries_{new Entry[kEntries]};
};

}  // namespace plumb::data
