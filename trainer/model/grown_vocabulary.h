// A base whose vocabulary has grown: the rows of its own tokens, and new ones behind them.
#pragma once

#include <memory>

#include "trainer/model/weight_source.h"

namespace plumb::model {

// The new rows alone (embedding.new_rows.weight, head.new_rows.weight): each starts as the fp32 mean of the base's rows
// of its old pieces, summed in their order. Every element depends on nothing else: the same bits in any part.
class MeanRows : public WeightSource {
 public:
  // `base_rows`: rows of the base's vocabulary. pieces[i]: old ids of row first_new + i. Rows that the base has behind
  // all of them (padding that no token names) stay as they are.
  MeanRows(std::shared_ptr<const WeightSource> base, int64_t base_rows, int64_t first_new,
           std::vector<std::vector<int32_t>> pieces);
  bool has(const std::string& name) const override;
  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override;
  std::string digest() const override;

 private:
  std::shared_ptr<const WeightSource> base_;
  int64_t base_rows_, first_new_;
  std::vector<std::vector<int32_t>> pieces_;
};

// embedding.weight and head.weight as rows below first_new of `old` and all of `added`, which has the names of new
// rows; the old rows alone and the new ones alone can be read too, and everything else that `old` has.
class GrownVocabulary : public WeightSource {
 public:
  GrownVocabulary(std::shared_ptr<const WeightSource> old, int64_t old_rows, int64_t first_new, int64_t rows,
                  std::shared_ptr<const WeightSource> added);
  bool has(const std::string& name) const override;
  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override;
  std::string digest() const override;

 private:
  std::shared_ptr<const WeightSource> old_, added_;
  int64_t old_rows_, first_new_, rows_;
};

}  // namespace plumb::model
