// One template object for training, evaluation, generation and export.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

struct Message {
  std::string role;  // system user assistant
  std::string content;
  std::string context = {};  // alpaca's input, dolly's context; templates without a place for it append it to content
};

// A stretch of a rendered conversation. Tokens never merge across segments: each is encoded on its own.
struct Segment {
  enum class Kind { markup, prompt, answer, end } kind = Kind::markup;  // end: the end token(s) of an assistant turn
  std::string text;   // encoded with special tokens recognised only when `markup` or `end`
  int32_t turn = -1;  // index of the message it belongs to
};

class ChatTemplate {
 public:
  virtual ~ChatTemplate() = default;
  virtual std::string name() const = 0;  // chatml llama3 alpaca dolly plain
  // Concatenated text equals what transformers' apply_chat_template renders for `jinja()` on the same messages.
  virtual std::vector<Segment> render(const std::vector<Message>&, bool add_generation_prompt) const = 0;
  virtual std::string jinja() const = 0;                     // written at export
  virtual std::vector<std::string> stop_tokens() const = 0;  // texts whose ids end an answer; empty = eos only
};
using ChatTemplatePtr = std::shared_ptr<const ChatTemplate>;

// name: one of the table, or "auto" with the base's own template text (empty when it has none). An unknown text is an
// Error(bad_input) with the list. "auto" without a base template means "plain".
ChatTemplatePtr chat_template(const std::string& name, const std::string& base_jinja, const Tokenizer& tokenizer);

}  // namespace plumb::data
