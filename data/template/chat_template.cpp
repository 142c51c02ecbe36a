// The table: names, and the texts of bases that are recognised.
#include <array>
#include <functional>

#include "core/error.h"
#include "core/hash.h"
#include "data/template/templates.h"

namespace plumb::data {

namespace {

const char* const kNames = "auto chatml llama3 alpaca dolly plain";

// Line ends, blanks before them and around the whole say nothing; everything else in a template may.
std::string normalised(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      while (!out.empty() && (out.back() == ' ' || out.back() == '\t' || out.back() == '\r')) out.pop_back();
    }
    if (!out.empty() || !(c == ' ' || c == '\t' || c == '\r' || c == '\n')) out += c;
  }
  while (!out.empty() && std::string_view(" \t\r\n").find(out.back()) != std::string_view::npos) out.pop_back();
  return out;
}

enum class Kind { chatml, llama3, llama3_dated };
struct Known {
  const char* sha256;  // of the normalised text
  Kind kind;
  const char* what;
};

// Published texts by hash; our own are compared as they are. tests/oracle/test_chat_template.py renders each with
// transformers where the text is at hand.
constexpr std::array kKnown{
    Known{"93c0e9aa3629bbd77e68dbc0f5621f6e6b23aa8d74b932595cdb8d64684526d7", Kind::llama3_dated, "Llama 3.1"},
    Known{"44be8ae1292c9c4daa2aeb6b0cc54433a52f00ae83adafe4f3d5a1d3a219b2c1", Kind::llama3_dated, "Llama 3.2"},
    Known{"ba03a121d097859c7b5b9cd03af99aafe95275210d2876f642ad9929a150f122", Kind::llama3, "Llama 3"},
    Known{"4f46ecd43418f216df8c26936c60e5d04bcc81db47db5d86fbe889f64212dd4c", Kind::llama3, "Llama 3"},
    Known{"153280e3ff55d19da1398bdb3914ee2a51b80429bfaedde11d7d216c39db80f3", Kind::chatml, "ChatML"},
    Known{"fcf7a096fe99a48fd9ad2b250bf9237e96e8f48bffec1c7ea4d3f225176cd40e", Kind::chatml, "ChatML"},
    Known{"58c1a1f04baa7adaeaba1f90267c3d57d9396f0c1f0129bdde9e76d3c6784af7", Kind::chatml, "ChatML"},
    Known{"d7b5b8c7b58f7a6bf868aa46a5f73ee976d7292f40fcb9c3e7a1defd8d235cfb", Kind::chatml, "ChatML"},
    Known{"f91864928fccff928b3068ca784db6275e655e400ccbb28f61d92c0090caf3b3", Kind::chatml, "ChatML"},
    Known{"66edfb854931c933d3ac94f507626dd4fa2d5ca0a9b1036b11729d296a7392ac", Kind::chatml, "ChatML"},
    Known{"fddf77f8db6fbfb315f82f775806550ff5cca70bab928b9d520b3ee5c875cc6b", Kind::chatml, "ChatML"},
    Known{"5fd94b9e1c6215f7db44f5b5f64edf04f6dd66ae67f4dc94871b118ccbfd1280", Kind::chatml, "ChatML"},
};

// A base whose template asks for today's date would be served with another prompt every day than it was tuned with:
// the date its template falls back to is written down instead.
std::string with_fixed_date(std::string text) {
  const std::string today = "strftime_now(\"%d %b %Y\")";
  for (size_t at = 0; (at = text.find(today, at)) != std::string::npos;)
    text.replace(at, today.size(), "\"26 Jul 2024\"");
  return text;
}

ChatTemplatePtr recognise(const std::string& text, const Tokenizer& tokenizer) {
  const std::string plain_text = normalised(text);
  const std::string hash = core::sha256(normalised(with_fixed_date(text)));
  for (const auto& known : kKnown) {
    if (hash != known.sha256) continue;
    if (known.kind == Kind::chatml) return make_chatml(tokenizer, text);
    return make_llama3(tokenizer, known.kind == Kind::llama3_dated, with_fixed_date(text));
  }
  // Our own texts, as an earlier export wrote them. Templates that this tokenizer cannot have are passed over.
  const std::array<std::function<ChatTemplatePtr()>, 6> ours{
      [&] { return make_plain(tokenizer); },         [&] { return make_alpaca(tokenizer); },
      [&] { return make_dolly(tokenizer); },         [&] { return make_chatml(tokenizer); },
      [&] { return make_llama3(tokenizer, false); }, [&] { return make_llama3(tokenizer, true); }};
  for (const auto& make : ours) {
    try {
      auto candidate = make();
      if (normalised(candidate->jinja()) == plain_text) return candidate;
    } catch (const Error&) {
      continue;
    }
  }
  std::string list;
  for (const auto& known : kKnown) {
    if (list.find(std::string(known.what) + ",") == std::string::npos) list += std::string(known.what) + ", ";
  }
  fail_input("tokenizer.chat_template",
             "the base's own chat template is not in the table of recognised ones (" + list + "plumb's own; sha256 " +
                 hash.substr(0, 16) + ")",
             std::string("name the one it is nearest to instead of auto: ") + (kNames + 5));
}

}  // namespace

std::string_view strip(std::string_view text) {
  // Length of the white space at `at` (Python's str.isspace), 0 if none.
  const auto space_at = [&](size_t at) -> size_t {
    const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const unsigned a = byte(at), b = byte(at + 1), c = byte(at + 2);
    if ((a >= 9 && a <= 13) || (a >= 0x1C && a <= 0x20)) return 1;
    if (a == 0xC2 && (b == 0x85 || b == 0xA0)) return 2;
    if (a == 0xE1 && b == 0x9A && c == 0x80) return 3;
    if (a == 0xE2 && b == 0x80 && ((c >= 0x80 && c <= 0x8A) || c == 0xA8 || c == 0xA9 || c == 0xAF)) return 3;
    if (a == 0xE2 && b == 0x81 && c == 0x9F) return 3;
    return a == 0xE3 && b == 0x80 && c == 0x80 ? 3 : 0;
  };
  while (!text.empty()) {
    const size_t n = space_at(0);
    if (n == 0) break;
    text.remove_prefix(n);
  }
  for (bool again = true; again && !text.empty();) {
    again = false;
    for (size_t n = 1; n <= 3 && n <= text.size() && !again; ++n) {
      if (space_at(text.size() - n) == n) text.remove_suffix(n), again = true;
    }
  }
  return text;
}

std::string content_with_context(const Message& message) {
  return message.context.empty() ? message.content : message.content + "\n\n" + message.context;
}

TemplateTokens template_tokens(const Tokenizer& tokenizer) {
  TemplateTokens tokens;
  const auto text_of = [&](int32_t id) { return tokenizer.decode(std::span<const int32_t>(&id, 1)); };
  if (const auto bos = tokenizer.bos()) {
    tokens.bos = text_of(*bos);
    std::vector<int32_t> ids;
    tokenizer.encode_with_specials("", ids);
    tokens.starts_with_bos = !ids.empty() && ids[0] == *bos;
  }
  if (!tokenizer.eos()) {
    fail_input("tokenizer", "has no eos token, so that no answer could end",
               "tokenizer.special_tokens: {eos: \"<|endoftext|>\"}");
  }
  tokens.eos = text_of(*tokenizer.eos());
  return tokens;
}

void require_tokens(const Tokenizer& tokenizer, const std::string& name, const std::vector<std::string>& tokens) {
  std::string missing;
  for (const auto& token : tokens) {
    if (!tokenizer.token_id(token)) missing += (missing.empty() ? "" : ", ") + ("\"" + token + "\"");
  }
  if (missing.empty()) return;
  fail_input("tokenizer.chat_template", "template " + name + " needs tokens that the tokenizer lacks: " + missing,
             "tokenizer.special_tokens: {extra: [" + missing +
                 "]} where a tokenizer is trained, or another template: "
                 "alpaca dolly plain");
}

ChatTemplatePtr chat_template(const std::string& name, const std::string& base_jinja, const Tokenizer& tokenizer) {
  if (name == "auto") return base_jinja.empty() ? make_plain(tokenizer) : recognise(base_jinja, tokenizer);
  if (name == "chatml") return make_chatml(tokenizer);
  if (name == "llama3") return make_llama3(tokenizer, false);
  if (name == "llama3.1") return make_llama3(tokenizer, true);
  if (name == "alpaca") return make_alpaca(tokenizer);
  if (name == "dolly") return make_dolly(tokenizer);
  if (name == "plain") return make_plain(tokenizer);
  fail_input("tokenizer.chat_template", "unknown template \"" + name + "\"", kNames);
}

}  // namespace plumb::data
