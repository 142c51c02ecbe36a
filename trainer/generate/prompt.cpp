#include "trainer/generate/prompt.h"

namespace plumb::generate {

std::vector<int32_t> prompt_ids(const std::vector<data::Message>& messages, const data::ChatTemplate& chat,
                                const data::Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  for (const auto& segment : chat.render(messages, true)) {
    const bool markup = segment.kind == data::Segment::Kind::markup || segment.kind == data::Segment::Kind::end;
    tokenizer.encode(segment.text, ids, markup ? data::SpecialInText::token : data::SpecialInText::text);
  }
  return ids;
}

std::vector<int32_t> text_ids(const std::string& text, const data::Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  if (const auto bos = tokenizer.bos()) {
    tokenizer.encode_with_specials("", ids);
    ids.resize(!ids.empty() && ids[0] == *bos ? 1 : 0);
  }
  tokenizer.encode(text, ids);
  return ids;
}

}  // namespace plumb::generate
