// Counts the pieces of a corpus; BPE training needs nothing else of the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace plumb::data {

class WordCounts {
 public:
  explicit WordCounts(int threads);
  // Documents are kept until a batch is full and are then counted by all threads.
  void add(std::string_view document);
  // (piece, how often), sorted by piece: the same for any number of threads.
  std::vector<std::pair<std::string, int64_t>> take();

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Map = std::unordered_map<std::string, int64_t, Hash, std::equal_to<>>;
  static void count(std::string_view document, Map& counts);
  void flush();

  std::vector<Map> counts_;  // one a thread
  std::vector<std::string> pending_;
  size_t pending_bytes_ = 0;
};

}  // namespace plumb::data
