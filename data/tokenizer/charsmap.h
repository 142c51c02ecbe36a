// SentencePiece's precompiled character map: a trie of texts and what each becomes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

class Charsmap {
 public:
  Charsmap() = default;
  // Error(bad_input) at `where` when the bytes are no such map.
  Charsmap(std::string_view bytes, const std::string& where);

  bool empty() const { return units_.empty(); }
  struct Match {
    size_t length;  // bytes of text
    std::string_view result;
  };
  // The shortest, or the longest, of the map's texts that `text` begins with.
  std::optional<Match> shortest(std::string_view text) const { return find(text, false); }
  std::optional<Match> longest(std::string_view text) const { return find(text, true); }

 private:
  std::optional<Match> find(std::string_view text, bool longest) const;
  std::vector<uint32_t> units_;  // a double array
  std::string results_;          // each ends with a zero
};

std::string decode_base64(std::string_view text, const std::string& where);
std::string encode_base64(std::string_view bytes);

}  // namespace plumb::data
