// The templates of the table. Each renders segments; jinja() is the same rendering for serving engines.
#pragma once

#include "data/chat_template.h"

namespace plumb::data {

// Texts of the tokenizer that templates write, as transformers' apply_chat_template fills in bos_token and eos_token.
struct TemplateTokens {
  std::string bos;  // empty when the tokenizer has none
  std::string eos;
  bool starts_with_bos = false;  // the tokenizer's own post-processor begins every text with bos
};
TemplateTokens template_tokens(const Tokenizer&);

ChatTemplatePtr make_chatml(const Tokenizer&, std::string jinja = "");
// dated: the Llama 3.1 to 3.3 form, whose system header carries the knowledge cutoff and a date.
ChatTemplatePtr make_llama3(const Tokenizer&, bool dated, std::string jinja = "");
ChatTemplatePtr make_alpaca(const Tokenizer&);
ChatTemplatePtr make_dolly(const Tokenizer&);
ChatTemplatePtr make_plain(const Tokenizer&);

std::string_view strip(std::string_view text);     // Python's str.strip(), Jinja's trim
std::string content_with_context(const Message&);  // for templates without a place for the context
void require_tokens(const Tokenizer&, const std::string& name, const std::vector<std::string>& tokens);

}  // namespace plumb::data
