// ChatML and Llama 3: every turn stands between special tokens.
#include "core/error.h"
#include "data/template/templates.h"

namespace plumb::data {

namespace {

using Kind = Segment::Kind;

Kind content_kind(const Message& message) { return message.role == "assistant" ? Kind::answer : Kind::prompt; }
Kind end_kind(const Message& message) { return message.role == "assistant" ? Kind::end : Kind::markup; }

constexpr const char* kChatml =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

class Chatml : public ChatTemplate {
 public:
  explicit Chatml(std::string jinja) : jinja_(std::move(jinja)) {}
  std::string name() const override { return "chatml"; }
  std::string jinja() const override { return jinja_; }
  std::vector<std::string> stop_tokens() const override { return {"<|im_end|>"}; }

  std::vector<Segment> render(const std::vector<Message>& messages, bool add_generation_prompt) const override {
    std::vector<Segment> out;
    for (size_t i = 0; i < messages.size(); ++i) {
      const auto& message = messages[i];
      const int32_t turn = static_cast<int32_t>(i);
      out.push_back({Kind::markup, "<|im_start|>" + message.role + "\n", turn});
      out.push_back({content_kind(message), content_with_context(message), turn});
      out.push_back({end_kind(message), "<|im_end|>", turn});
      out.push_back({Kind::markup, "\n", turn});
    }
    if (add_generation_prompt) out.push_back({Kind::markup, "<|im_start|>assistant\n", -1});
    return out;
  }

 private:
  std::string jinja_;
};

constexpr const char* kLlama3 =
    "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' "
    "+ "
    "message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
    "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

constexpr const char* kDate = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n";
constexpr const char* kLlama3Dated =
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] | trim %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
    "{{ '<|start_header_id|>system<|end_header_id|>\\n\\nCutting Knowledge Date: December 2023\\nToday Date: 26 Jul "
    "2024\\n\\n' + system + '<|eot_id|>' }}{% for message in turns %}{{ '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

class Llama3 : public ChatTemplate {
 public:
  Llama3(const Tokenizer& tokenizer, bool dated, std::string jinja)
      : dated_(dated), bos_(template_tokens(tokenizer).bos), jinja_(std::move(jinja)) {
    // <|eom_id|> ends a turn that calls a tool; bases since 3.1 have it.
    for (const char* stop : {"<|eot_id|>", "<|eom_id|>"}) {
      if (tokenizer.token_id(stop)) stops_.push_back(stop);
    }
  }
  std::string name() const override { return dated_ ? "llama3.1" : "llama3"; }
  std::string jinja() const override { return jinja_; }
  std::vector<std::string> stop_tokens() const override { return stops_; }

  std::vector<Segment> render(const std::vector<Message>& messages, bool add_generation_prompt) const override {
    std::vector<Segment> out;
    size_t first = 0;
    if (dated_) {
      const bool system = !messages.empty() && messages[0].role == "system";
      out.push_back({Kind::markup, bos_ + header("system"), system ? 0 : -1});
      out.push_back({Kind::prompt, kDate, system ? 0 : -1});
      if (system) out.push_back({Kind::prompt, std::string(strip(content_with_context(messages[0]))), 0});
      out.push_back({Kind::markup, "<|eot_id|>", system ? 0 : -1});
      first = system;
    }
    for (size_t i = first; i < messages.size(); ++i) {
      const auto& message = messages[i];
      const int32_t turn = static_cast<int32_t>(i);
      out.push_back({Kind::markup, (i == 0 && !dated_ ? bos_ : "") + header(message.role), turn});
      out.push_back({content_kind(message), std::string(strip(content_with_context(message))), turn});
      out.push_back({end_kind(message), "<|eot_id|>", turn});
    }
    if (add_generation_prompt) out.push_back({Kind::markup, header("assistant"), -1});
    return out;
  }

 private:
  static std::string header(const std::string& role) { return "<|start_header_id|>" + role + "<|end_header_id|>\n\n"; }
  bool dated_;
  std::string bos_, jinja_;
  std::vector<std::string> stops_;
};

}  // namespace

ChatTemplatePtr make_chatml(const Tokenizer& tokenizer, std::string jinja) {
  require_tokens(tokenizer, "chatml", {"<|im_start|>", "<|im_end|>"});
  return std::make_shared<Chatml>(jinja.empty() ? kChatml : std::move(jinja));
}

ChatTemplatePtr make_llama3(const Tokenizer& tokenizer, bool dated, std::string jinja) {
  require_tokens(tokenizer, "llama3", {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"});
  if (!tokenizer.bos()) {
    fail_input("tokenizer.chat_template", "llama3 begins with the tokenizer's bos token, and this one has none",
               "tokenizer.special_tokens: {bos: \"<|begin_of_text|>\"}");
  }
  if (jinja.empty()) jinja = dated ? kLlama3Dated : kLlama3;
  return std::make_shared<Llama3>(tokenizer, dated, std::move(jinja));
}

}  // namespace plumb::data
