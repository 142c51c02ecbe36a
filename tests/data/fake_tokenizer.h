// A byte-level tokenizer with a few specials: enough to test what is built on tokenizers, fast and without files.
#pragma once

#include <utility>

#include "core/hash.h"
#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

class FakeTokenizer : public Tokenizer {
 public:
  // Id 256 is eos, then bos if named, then the others.
  explicit FakeTokenizer(std::string bos = "", std::vector<std::string> extra = {}) {
    specials_.push_back("<eos>");
    if (!bos.empty()) specials_.push_back(std::move(bos)), has_bos_ = true;
    for (auto& text : extra) specials_.push_back(std::move(text));
  }
  int64_t vocab_size() const override { return 256 + static_cast<int64_t>(specials_.size()); }
  void encode(std::string_view text, std::vector<int32_t>& ids, SpecialInText mode,
              EncodeCounts* counts) const override {
    for (size_t i = 0; i < text.size();) {
      const int32_t special = special_at(text.substr(i));
      if (special >= 0 && counts) ++counts->special_texts;
      if (special >= 0 && mode == SpecialInText::token) {
        ids.push_back(special), i += specials_[static_cast<size_t>(special - 256)].size();
      } else {
        ids.push_back(static_cast<unsigned char>(text[i++]));
      }
    }
  }
  void encode_with_specials(std::string_view text, std::vector<int32_t>& ids) const override {
    if (has_bos_) ids.push_back(257);
    encode(text, ids, SpecialInText::token, nullptr);
  }
  std::string decode(std::span<const int32_t> ids, bool skip_special) const override {
    std::string out;
    for (const int32_t id : ids) {
      if (id < 256)
        out += static_cast<char>(id);
      else if (!skip_special)
        out += specials_.at(static_cast<size_t>(id - 256));
    }
    return out;
  }
  std::string token_bytes(int32_t id) const override { return decode(std::span<const int32_t>(&id, 1), false); }
  std::optional<int32_t> token_id(std::string_view token) const override {
    const int32_t id = special_at(token);
    return id >= 0 && specials_[static_cast<size_t>(id - 256)] == token ? std::optional(id) : std::nullopt;
  }
  bool is_special(int32_t id) const override { return id >= 256; }
  std::optional<int32_t> bos() const override { return has_bos_ ? std::optional(257) : std::nullopt; }
  std::optional<int32_t> eos() const override { return 256; }
  std::optional<int32_t> pad() const override { return std::nullopt; }
  std::string digest() const override { return core::sha256(json()); }
  std::string json() const override {
    std::string text = "fake";
    for (const auto& special : specials_) text += " " + special;
    return text;
  }
  using Tokenizer::encode;

 private:
  int32_t special_at(std::string_view text) const {
    for (size_t i = 0; i < specials_.size(); ++i) {
      if (text.starts_with(specials_[i])) return 256 + static_cast<int32_t>(i);
    }
    return -1;
  }
  std::vector<std::string> specials_;
  bool has_bos_ = false;
};

}  // namespace plumb::data
