// What became of every token: in = trained + each kind of loss. Counted while a dataset is built, printed with it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

namespace plumb::data {

struct TokenLedger {
  int64_t in = 0;        // tokens that the tokenizer and the template made
  int64_t trained = 0;   // have a loss once an epoch
  int64_t masked = 0;    // prompts: read, not trained on (method.loss_on)
  int64_t first = 0;     // the first of a document: nothing in it comes before, so nothing predicts it
  int64_t too_long = 0;  // of samples that data.too_long dropped
  // Rows, not tokens: positions = read by the model once an epoch + padding.
  int64_t positions = 0, padding = 0;

  // One sample that is kept: weight[i] > 0 has a loss.
  void keep(std::span<const float> weight);
  void drop_too_long(int64_t tokens) { in += tokens, too_long += tokens; }
  TokenLedger& operator+=(const TokenLedger&);

  bool balanced() const { return in == trained + masked + first + too_long && padding <= positions; }
  double filled() const;  // share of positions that carry a token
  nlohmann::ordered_json json() const;
  static TokenLedger from_json(const nlohmann::ordered_json&, const std::string& where);
  // Name, count and a note; what is 0 is left out but for `in` and `trained`.
  struct Line {
    std::string name;
    int64_t count;
    std::string note;
  };
  std::vector<Line> lines() const;
};

}  // namespace plumb::data
