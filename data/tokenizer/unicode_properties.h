// What the libraries inside PyPI `tokenizers` know about a character beyond unicode.h: general category and script (its
// regular expressions), the segments of UnicodeScripts, what the BERT and accent normalizers remove, clusters of
// graphemes, decompositions, lower case. Each comes from that library itself, whatever Unicode version it has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

struct UnicodeRun {  // characters from `first` to the next run's
  uint32_t first;
  uint16_t value;
};
struct LowercaseRun {
  uint32_t first, last, stride;
  int32_t delta;
};

extern const UnicodeRun kCategoryRuns[], kScriptRuns[], kSegmentScriptRuns[], kTextBitRuns[];
extern const size_t kCategoryRunsCount, kScriptRunsCount, kSegmentScriptRunsCount, kTextBitRunsCount;
extern const LowercaseRun kLowercaseRuns[];
extern const size_t kLowercaseRunsCount;
extern const char* const kScriptNames[];  // by script; 0 is unknown
extern const size_t kScriptNamesCount;

// Names of kCategoryRuns' values, in order.
inline constexpr std::array<std::string_view, 30> kCategoryNames = {
    "Cn", "Cc", "Cf", "Co", "Cs", "Ll", "Lm", "Lo", "Lt", "Lu", "Mc", "Me", "Mn", "Nd", "Nl",
    "No", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "Sc", "Sk", "Sm", "So", "Zl", "Zp", "Zs"};

inline constexpr uint16_t kPatternWord = 1;        // \w of a pattern
inline constexpr uint16_t kPunctuation = 2;        // pre-tokenizers Punctuation and BertPreTokenizer
inline constexpr uint16_t kBertRemoved = 4;        // clean_text
inline constexpr uint16_t kBertAccent = 8;         // strip_accents, after decomposition
inline constexpr uint16_t kCombining = 16;         // StripAccents
inline constexpr uint16_t kClusterContinues = 32;  // stays with the character before
inline constexpr uint16_t kClusterEnds = 64;       // stands alone: controls
inline constexpr uint16_t kReorders = 128;         // has a combining class
inline constexpr uint16_t kDecomposes = 256;       // canonically
inline constexpr uint16_t kDecomposesCompat = 512;

// Two-level table of runs: block of 256 code points -> its distinct content.
class UnicodeMap {
 public:
  UnicodeMap(const UnicodeRun* runs, size_t count);
  uint16_t operator[](uint32_t code_point) const { return blocks_[block_[code_point >> 8]][code_point & 255]; }

 private:
  std::array<uint16_t, 0x1100> block_{};
  std::vector<std::array<uint16_t, 256>> blocks_;
};
const UnicodeMap& category_map();
const UnicodeMap& segment_script_map();
const UnicodeMap& text_bits_map();
inline bool has_text_bit(uint32_t code_point, uint16_t bit) { return (text_bits_map()[code_point] & bit) != 0; }

void append_lowercase(uint32_t code_point, std::string& text);

enum class UnicodeForm { nfc, nfd, nfkc, nfkd };
// False, and `normalized` is left alone, when the text is known to be in that form already.
bool normalize_form(std::string_view text, UnicodeForm form, std::string& normalized);

// End of the extended grapheme cluster that starts at `at`, as far as clusters shorter than 6 bytes go: longer ones may
// be cut shorter than Unicode has it, which the one user of clusters (precompiled maps) cannot tell apart.
size_t cluster_end(std::string_view text, size_t at);

}  // namespace plumb::data
