#include "trainer/export/tensor_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "trainer/export/merged_weights.h"
#include "trainer/families/family.h"
#include "trainer/formats/half.h"
#include "trainer/formats/safetensors.h"

namespace plumb::exporting {
namespace {

using families::NamedTensor;
constexpr int64_t kPiece = int64_t{1} << 21;  // elements read, rounded and written at a time

int64_t numel(const NamedTensor& tensor) {
  int64_t n = 1;
  for (const int64_t dimension : tensor.shape) n *= dimension;
  return n;
}

// Consecutive tensors as long as they fit; one that is larger than a shard gets its own.
std::vector<std::vector<NamedTensor>> plan_shards(const std::vector<NamedTensor>& tensors, int64_t element_bytes,
                                                  int64_t max_shard) {
  std::vector<std::vector<NamedTensor>> shards;
  int64_t filled = 0;
  for (const auto& tensor : tensors) {
    const int64_t bytes = numel(tensor) * element_bytes;
    if (shards.empty() || (filled + bytes > max_shard && filled > 0)) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(tensor);
    filled += bytes;
  }
  return shards;
}

class TensorWriter {
 public:
  explicit TensorWriter(const ExportRequest& request)
      : dtype_(request.dtype == "bf16" ? formats::Dtype::bf16 : formats::Dtype::f32), plain_(request.weights) {
    if (request.lora) merged_.emplace(request.weights, request.spec, *request.lora);
  }

  void write(const std::vector<NamedTensor>& tensors, const std::filesystem::path& file) {
    std::vector<formats::SafetensorsWriter::Declared> declared;
    std::map<std::string, const NamedTensor*> by_name;
    for (const auto& tensor : tensors) {
      declared.push_back({tensor.hugging_face, dtype_, tensor.shape});
      by_name[tensor.hugging_face] = &tensor;
    }
    formats::SafetensorsWriter writer(file, std::move(declared));
    for (const auto& next : writer.order()) stream(*by_name.at(next.name), writer);
    writer.finish();
  }

  std::optional<MergeError> merge_error() const {
    if (!merged_) return std::nullopt;
    return MergeError{added_ > 0 ? std::sqrt(lost_ / added_) : 0.0, matrices_};
  }
  double largest_rounding() const { return largest_; }

 private:
  void stream(const NamedTensor& tensor, formats::SafetensorsWriter& writer) {
    const int64_t total = numel(tensor);
    bool adapted = false;
    for (int64_t begin = 0; begin < total; begin += kPiece) {
      values_.resize(static_cast<size_t>(std::min(kPiece, total - begin)));
      const model::WeightSource& source = merged_ ? static_cast<const model::WeightSource&>(*merged_) : plain_;
      source.read(tensor.canonical, tensor.shape, begin, values_);
      rounded_.resize(values_.size());
      std::transform(values_.begin(), values_.end(), rounded_.begin(), formats::to_bf16);
      measure_rounding(tensor);
      if (merged_) adapted |= measure_merge(tensor, begin);
      if (dtype_ == formats::Dtype::bf16) {
        writer.write(std::as_bytes(std::span(rounded_)));
      } else {
        writer.write(std::as_bytes(std::span(values_)));
      }
    }
    matrices_ += adapted;
  }

  float stored(size_t i) const { return dtype_ == formats::Dtype::bf16 ? formats::from_bf16(rounded_[i]) : values_[i]; }

  void measure_rounding(const NamedTensor& tensor) {
    for (size_t i = 0; i < values_.size(); ++i) {
      if (!std::isfinite(values_[i])) {
        throw Error(ExitCode::numerics, tensor.canonical + " has a value that is not finite", "",
                    "the training diverged; export an earlier step");
      }
      largest_ = std::max(largest_, std::abs(static_cast<double>(stored(i)) - values_[i]));
    }
  }

  bool measure_merge(const NamedTensor& tensor, int64_t begin) {
    delta_.resize(values_.size());
    if (!merged_->read_delta(tensor.canonical, tensor.shape, begin, delta_)) return false;
    for (size_t i = 0; i < values_.size(); ++i) {
      const double difference = static_cast<double>(stored(i)) - values_[i];
      lost_ += difference * difference;
      added_ += static_cast<double>(delta_[i]) * delta_[i];
    }
    return true;
  }

  formats::Dtype dtype_;
  const model::WeightSource& plain_;
  std::optional<MergedWeights> merged_;
  std::vector<float> values_, delta_;
  std::vector<uint16_t> rounded_;
  double lost_ = 0, added_ = 0, largest_ = 0;
  int64_t matrices_ = 0;
};

void write_index(const std::filesystem::path& folder, int64_t total,
                 const std::map<std::string, std::string>& file_of) {
  nlohmann::ordered_json index;
  index["metadata"] = {{"total_size", total}};
  index["weight_map"] = file_of;
  core::write_text(folder / "model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace

WrittenTensors write_tensors(const ExportRequest& request, const std::filesystem::path& folder) {
  const auto tensors = families::tensors(request.spec);
  for (const auto& tensor : tensors) {
    if (!request.weights.has(tensor.canonical)) fail_input(folder.string(), "the model has no " + tensor.canonical);
  }
  const int64_t element_bytes = request.dtype == "bf16" ? 2 : 4;
  const auto shards = plan_shards(tensors, element_bytes, request.max_shard);
  if (shards.size() > 99'999) fail_input(folder.string(), "max_shard: more than 99,999 files", "choose a larger one");
  TensorWriter writer(request);
  WrittenTensors result;
  std::map<std::string, std::string> file_of;
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shards.size() == 1 ? "model.safetensors"
                                                : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, shards.size());
    writer.write(shards[i], folder / name);
    for (const auto& tensor : shards[i]) {
      file_of[tensor.hugging_face] = name;
      result.bytes += numel(tensor) * element_bytes;
    }
  }
  if (shards.size() > 1) write_index(folder, result.bytes, file_of);
  result.merge = writer.merge_error();
  result.largest_rounding = writer.largest_rounding();
  return result;
}

}  // namespace plumb::exporting
