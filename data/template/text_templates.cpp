// Alpaca, dolly and plain: markup is ordinary text, an answer ends with the tokenizer's eos token.
#include "data/template/templates.h"

namespace plumb::data {

namespace {

using Kind = Segment::Kind;

// What distinguishes the instruction templates. Texts are those of the stanford_alpaca and dolly repositories.
struct Wording {
  std::string name, intro, intro_with_context, context_heading;
};

const std::string kIntro =
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.";
const Wording kAlpaca{"alpaca", kIntro,
                      "Below is an instruction that describes a task, paired with an input that provides further "
                      "context. Write a response that appropriately completes the request.",
                      "### Input:\n"};
const Wording kDolly{"dolly", kIntro, kIntro, "Input:\n"};

std::string jinja_text(std::string text) {  // inside '...'
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 2) text.replace(at, 1, "\\n");
  return "'" + text + "'";
}

class Instruction : public ChatTemplate {
 public:
  Instruction(Wording wording, TemplateTokens tokens) : wording_(std::move(wording)), tokens_(std::move(tokens)) {}
  std::string name() const override { return wording_.name; }
  std::vector<std::string> stop_tokens() const override { return {}; }

  std::vector<Segment> render(const std::vector<Message>& messages, bool add_generation_prompt) const override {
    std::vector<Segment> out;
    if (tokens_.starts_with_bos) out.push_back({Kind::markup, tokens_.bos, -1});
    size_t first = 0;
    if (!messages.empty() && messages[0].role == "system") {
      out.push_back({Kind::prompt, content_with_context(messages[0]) + "\n\n", 0});
      first = 1;
    } else {
      bool with_context = false;
      for (const auto& message : messages) with_context |= !message.context.empty();
      out.push_back({Kind::prompt, (with_context ? wording_.intro_with_context : wording_.intro) + "\n\n", -1});
    }
    for (size_t i = first; i < messages.size(); ++i) {
      const auto& message = messages[i];
      const int32_t turn = static_cast<int32_t>(i);
      if (message.role == "assistant") {
        out.push_back({Kind::prompt, "### Response:\n", turn});
        out.push_back({Kind::answer, content_with_context(message), turn});
        out.push_back({Kind::end, tokens_.eos, turn});
        if (i + 1 < messages.size()) out.push_back({Kind::prompt, "\n\n", turn});
        continue;
      }
      std::string text = "### Instruction:\n" + message.content + "\n\n";
      if (!message.context.empty()) text += wording_.context_heading + message.context + "\n\n";
      out.push_back({Kind::prompt, text, turn});
    }
    if (add_generation_prompt) out.push_back({Kind::prompt, "### Response:\n", -1});
    return out;
  }

  std::string jinja() const override {
    std::string text = tokens_.starts_with_bos ? "{{ bos_token }}" : "";
    text +=
        "{% set ns = namespace(context=false) %}{% for message in messages %}"
        "{% if message['context'] is defined and message['context'] %}{% set ns.context = true %}{% endif %}"
        "{% endfor %}{% if messages and messages[0]['role'] == 'system' %}"
        "{{ messages[0]['content'] + '\\n\\n' }}{% elif ns.context %}{{ ";
    text += jinja_text(wording_.intro_with_context + "\n\n") + " }}{% else %}{{ " + jinja_text(wording_.intro + "\n\n");
    text +=
        " }}{% endif %}{% for message in messages %}{% if message['role'] == 'assistant' %}"
        "{{ '### Response:\\n' + message['content'] + eos_token }}"
        "{% if not loop.last %}{{ '\\n\\n' }}{% endif %}"
        "{% elif not (loop.first and message['role'] == 'system') %}"
        "{{ '### Instruction:\\n' + message['content'] + '\\n\\n' }}"
        "{% if message['context'] is defined and message['context'] %}{{ ";
    text +=
        jinja_text(wording_.context_heading) + " + message['context'] + '\\n\\n' }}{% endif %}{% endif %}{% endfor %}";
    return text + "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}";
  }

 private:
  Wording wording_;
  TemplateTokens tokens_;
};

// No markup at all: what is said before an answer ends with a newline, the answer with eos.
class Plain : public ChatTemplate {
 public:
  explicit Plain(TemplateTokens tokens) : tokens_(std::move(tokens)) {}
  std::string name() const override { return "plain"; }
  std::vector<std::string> stop_tokens() const override { return {}; }

  std::vector<Segment> render(const std::vector<Message>& messages, bool) const override {
    std::vector<Segment> out;
    if (tokens_.starts_with_bos) out.push_back({Kind::markup, tokens_.bos, -1});
    for (size_t i = 0; i < messages.size(); ++i) {
      const auto& message = messages[i];
      const int32_t turn = static_cast<int32_t>(i);
      if (message.role == "assistant") {
        out.push_back({Kind::answer, content_with_context(message), turn});
        out.push_back({Kind::end, tokens_.eos, turn});
      } else {
        out.push_back({Kind::prompt, content_with_context(message) + "\n", turn});
      }
    }
    return out;
  }

  std::string jinja() const override {
    return std::string(tokens_.starts_with_bos ? "{{ bos_token }}" : "") +
           "{% for message in messages %}{{ message['content'] }}"
           "{% if message['context'] is defined and message['context'] %}{{ '\\n\\n' + message['context'] }}{% endif %}"
           "{% if message['role'] == 'assistant' %}{{ eos_token }}{% else %}{{ '\\n' }}{% endif %}{% endfor %}";
  }

 private:
  TemplateTokens tokens_;
};

}  // namespace

ChatTemplatePtr make_alpaca(const Tokenizer& tokenizer) {
  return std::make_shared<Instruction>(kAlpaca, template_tokens(tokenizer));
}
ChatTemplatePtr make_dolly(const Tokenizer& tokenizer) {
  return std::make_shared<Instruction>(kDolly, template_tokens(tokenizer));
}
ChatTemplatePtr make_plain(const Tokenizer& tokenizer) { return std::make_shared<Plain>(template_tokens(tokenizer)); }

}  // namespace plumb::data
