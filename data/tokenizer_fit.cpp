#include "data/tokenizer_fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/log.h"
#include "data/source/source.h"

namespace plumb::data {

std::string TokenizerFit::measured_on() const {
  const auto counted = fmt::format("{} text{}", core::with_commas(texts), texts == 1 ? "" : "s");
  if (whole) return (texts == 1 ? "" : "all ") + counted;
  return fmt::format("the beginning of each source: {:.1f} MiB, {}", static_cast<double>(bytes) / (1 << 20), counted);
}

TokenizerFit tokenizer_fit(const std::vector<config::Source>& sources, const Tokenizer& tokenizer, int64_t most_bytes) {
  TokenizerFit fit;
  std::vector<int32_t> ids;
  for (size_t s = 0; s < sources.size(); ++s) {
    // What a small source leaves goes to those behind it.
    const int64_t until =
        fit.bytes + std::max<int64_t>(0, most_bytes - fit.bytes) / static_cast<int64_t>(sources.size() - s);
    bool cut = false;
    const auto count = [&](std::string_view text) {
      if (const auto left = static_cast<size_t>(std::max<int64_t>(0, until - fit.bytes)); text.size() > left) {
        cut = true, fit.whole = false;
        size_t end = left;  // never within a character
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
        text = text.substr(0, end);
      }
      if (text.empty()) return;
      ids.clear();
      tokenizer.encode(text, ids);
      ++fit.texts, fit.bytes += static_cast<int64_t>(text.size()), fit.tokens += static_cast<int64_t>(ids.size());
    };
    const auto take = [&](Record&& record) {
      ++fit.records;
      count(record.text);
      for (const auto& message : record.messages) count(message.content);
      return !cut;
    };
    visit_source(sources[s], false, take, [](const std::string&, const std::string&) {});
  }
  return fit;
}

}  // namespace plumb::data
