// What BpeModel knows about characters when its first symbols are characters.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tokenizer/bpe_model.h"

namespace plumb::data {

inline constexpr uint32_t kMetaspace = 0x2581;
inline constexpr std::string_view kMetaspaceText = "\xE2\x96\x81";

struct BpeModel::Characters {
  // Token of a code point, by whether it is the first and the last of its piece (affixes); -1: none.
  class Ids {
   public:
    Ids() : pages_(0x1100) {}
    int32_t operator[](uint32_t code_point) const {
      if (code_point < 128) return ascii_[code_point];
      const auto& page = pages_[code_point >> 8];
      return page.empty() ? -1 : page[code_point & 255];
    }
    void set(uint32_t code_point, int32_t id);

   private:
    std::array<int32_t, 128> ascii_ = [] {
      std::array<int32_t, 128> none;
      none.fill(-1);
      return none;
    }();
    std::vector<std::vector<int32_t>> pages_;
  };

  Ids inner;  // without affixes: all characters where there are no affixes
  std::array<Ids, 4> affixed;
  std::string prefix, suffix;
  bool affixes = false;
  bool byte_fallback = false;
  bool all_bytes = false;            // every byte has its token, so that nothing is unknown
  std::array<int32_t, 256> bytes{};  // id of <0x00> ... <0xFF>; -1: none
  bool spaces_are_metaspace = false;
};

// Where text may be cut before BPE without changing a token, by the bytes before and behind the cut.
struct BpeModel::Cuts {
  static constexpr size_t kMetaspaceClass = 0xFF;  // no byte of UTF-8: stands for U+2581
  enum Answer : uint8_t { no, yes, look };         // look: one of the bytes may belong to U+2581
  std::array<std::array<uint8_t, 256>, 256> between{};
  std::array<std::array<bool, 256>, 256> exact{};  // with kMetaspaceClass
};

}  // namespace plumb::data
