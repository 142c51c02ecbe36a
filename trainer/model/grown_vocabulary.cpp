#include "trainer/model/grown_vocabulary.h"

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"

namespace plumb::model {

namespace {

constexpr std::string_view kNewRows = ".new_rows.weight";

bool is_vocabulary(const std::string& name) { return name == "embedding.weight" || name == "head.weight"; }
bool is_new_rows(const std::string& name) {
  return name == "embedding.new_rows.weight" || name == "head.new_rows.weight";
}
std::string whole_name(const std::string& new_rows) {
  return new_rows.substr(0, new_rows.size() - kNewRows.size()) + ".weight";
}
std::string new_rows_name(const std::string& whole) {
  return whole.substr(0, whole.size() - 7) + std::string(kNewRows);
}

}  // namespace

MeanRows::MeanRows(std::shared_ptr<const WeightSource> base, int64_t base_rows, int64_t first_new,
                   std::vector<std::vector<int32_t>> pieces)
    : base_(std::move(base)), base_rows_(base_rows), first_new_(first_new), pieces_(std::move(pieces)) {
  for (const auto& row : pieces_) {
    if (row.empty()) fail_internal("a new token without old pieces");
    for (const int32_t piece : row) {
      if (piece < 0 || piece >= first_new_) fail_internal("an old piece that is no old token");
    }
  }
}

bool MeanRows::has(const std::string& name) const { return is_new_rows(name) && base_->has(whole_name(name)); }

void MeanRows::read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
                    std::span<float> out) const {
  const std::string whole = whole_name(name);
  const int64_t width = shape.at(1);
  const std::vector<int64_t> base_shape = {base_rows_, width};
  std::vector<float> piece(static_cast<size_t>(width));
  for (size_t done = 0; done < out.size();) {
    const int64_t row = (begin + static_cast<int64_t>(done)) / width;
    const int64_t column = begin + static_cast<int64_t>(done) - row * width;
    const auto count = std::min(out.size() - done, static_cast<size_t>(width - column));
    const auto target = out.subspan(done, count);
    if (row >= static_cast<int64_t>(pieces_.size())) {
      base_->read(whole, base_shape, (first_new_ + row) * width + column, target);
    } else {
      const auto& pieces = pieces_[static_cast<size_t>(row)];
      std::fill(target.begin(), target.end(), 0.0f);
      const auto part = std::span(piece).first(count);
      for (const int32_t id : pieces) {
        base_->read(whole, base_shape, id * width + column, part);
        for (size_t i = 0; i < count; ++i) target[i] += part[i];
      }
      for (float& value : target) value /= static_cast<float>(pieces.size());
    }
    done += count;
  }
}

std::string MeanRows::digest() const {
  core::Sha256 hash;
  hash.update("means of " + base_->digest());
  for (const auto& row : pieces_) {
    hash.update("\n");
    for (const int32_t piece : row) hash.update(std::to_string(piece) + " ");
  }
  return hash.hex();
}

GrownVocabulary::GrownVocabulary(std::shared_ptr<const WeightSource> old, int64_t old_rows, int64_t first_new,
                                 int64_t rows, std::shared_ptr<const WeightSource> added)
    : old_(std::move(old)), added_(std::move(added)), old_rows_(old_rows), first_new_(first_new), rows_(rows) {}

bool GrownVocabulary::has(const std::string& name) const {
  return is_new_rows(name) ? added_->has(name) : old_->has(name);
}

void GrownVocabulary::read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
                           std::span<float> out) const {
  if (is_new_rows(name)) return added_->read(name, shape, begin, out);
  if (!is_vocabulary(name)) return old_->read(name, shape, begin, out);
  if (shape.size() != 2 || (shape[0] != rows_ && shape[0] != first_new_)) {
    fail_input(name, "a grown vocabulary of " + std::to_string(rows_) + " rows is read as one of " +
                         std::to_string(shape.empty() ? 0 : shape[0]));
  }
  const int64_t width = shape[1], border = first_new_ * width;
  const auto of_old = static_cast<size_t>(std::clamp<int64_t>(border - begin, 0, static_cast<int64_t>(out.size())));
  if (of_old > 0) old_->read(name, {old_rows_, width}, begin, out.first(of_old));
  if (of_old == out.size()) return;
  added_->read(new_rows_name(name), {rows_ - first_new_, width}, begin + static_cast<int64_t>(of_old) - border,
               out.subspan(of_old));
}

std::string GrownVocabulary::digest() const {
  return core::sha256(old_->digest() + " grown from " + std::to_string(first_new_) + " by " + added_->digest());
}

}  // namespace plumb::model
