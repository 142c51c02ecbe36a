// A tokenizer that stands in a file and can be written as one again.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

class FileTokenizer : public Tokenizer {
 public:
  // Text of a token as tokenizer.json writes it; empty when there is no such id.
  virtual std::string token_text(int32_t id) const = 0;
  // Whether encode_with_specials puts the token in front or behind.
  virtual bool adds_bos() const = 0;
  virtual bool adds_eos() const = 0;

  // Roles that nothing here depends on, as tokenizer_config.json gives them ("unk_token", "mask_token"): for those who
  // read what save_tokenizer writes. Those whose text is no token are left out: transformers would add it, with an id
  // that the model has no row for.
  const nlohmann::ordered_json& other_roles() const { return other_roles_; }
  void keep_roles(const nlohmann::ordered_json& roles) {
    for (const auto& [key, token] : roles.items()) {
      const auto& text = token.is_object() ? token.at("content") : token;
      if (token_id(text.get<std::string>())) other_roles_[key] = token;
    }
  }

 private:
  nlohmann::ordered_json other_roles_ = nlohmann::ordered_json::object();
};

}  // namespace plumb::data
