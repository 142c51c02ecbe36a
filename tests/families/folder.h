// A small Hugging Face Llama folder, made without any library but our writer.
#pragma once
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/files.h"
#include "trainer/families/family.h"
#include "trainer/formats/safetensors.h"

namespace plumb::families::testing_support {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

inline Json small_config() {
  return Json::parse(R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":32,"hidden_size":8,
    "intermediate_size":12,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":1,
    "max_position_embeddings":64,"rms_norm_eps":1e-05,"tie_word_embeddings":false,"bos_token_id":1,
    "eos_token_id":[2,3],"hidden_act":"silu","attention_bias":false,"rope_theta":10000.0})");
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    static int count = 0;
    path_ = fs::temp_directory_path() / ("plumb_test_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    fs::create_directories(path_);
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  operator const fs::path&() const { return path_; }

 private:
  fs::path path_;
};

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;
};

inline void write_tensors(const fs::path& file, const std::vector<Tensor>& tensors) {
  std::vector<formats::SafetensorsWriter::Declared> declared;
  std::map<std::string, const Tensor*> by_name;
  for (const auto& tensor : tensors) {
    declared.push_back({tensor.name, formats::Dtype::f32, tensor.shape});
    by_name[tensor.name] = &tensor;
  }
  formats::SafetensorsWriter writer(file, declared);
  for (const auto& next : writer.order()) writer.write(std::as_bytes(std::span(by_name.at(next.name)->values)));
  writer.finish();
}

// All tensors of `spec`; element i of tensor k is k + i / 1024.
inline std::vector<Tensor> all_tensors(const model::ModelSpec& spec) {
  std::vector<Tensor> out;
  for (const auto& tensor : tensors(spec)) {
    int64_t numel = 1;
    for (const int64_t d : tensor.shape) numel *= d;
    Tensor made{tensor.hugging_face, tensor.shape, std::vector<float>(static_cast<size_t>(numel))};
    for (int64_t i = 0; i < numel; ++i) made.values[i] = static_cast<float>(out.size()) + static_cast<float>(i) / 1024;
    out.push_back(std::move(made));
  }
  return out;
}

inline void write_config(const fs::path& folder, const Json& config) {
  core::write_text(folder / "config.json", config.dump());
}

inline model::ModelSpec spec_of(const Json& config) {
  return family_of("llama", "test").read_config(config, "config.json");
}

inline void write_small_model(const fs::path& folder, const Json& config = small_config()) {
  write_config(folder, config);
  write_tensors(folder / "model.safetensors", all_tensors(spec_of(config)));
}

}  // namespace plumb::families::testing_support
