#include "trainer/export/export.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/json.h"
#include "tests/families/folder.h"
#include "trainer/export/merged_weights.h"
#include "trainer/families/load_base.h"
#include "trainer/formats/half.h"

namespace plumb::exporting {
namespace {

using namespace families::testing_support;
using testing::HasSubstr;

// 260 ids, so that the bytes tokenizer fits.
Json config() {
  Json config = small_config();
  config["vocab_size"] = 260;
  return config;
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& item : fs::directory_iterator(folder)) {
    files[item.path().filename().string()] = core::read_text(item.path());
  }
  return files;
}

class ExportTest : public testing::Test {
 protected:
  ExportTest() : tokenizer_(data::bytes_tokenizer()) {
    write_small_model(base_, config());
    opened_ = families::open_base(base_);
  }
  ExportRequest request(const std::string& out, const std::string& dtype = "fp32") {
    return {opened_.spec, *opened_.weights, *tokenizer_, "{{ messages }}", {256, 2}, folder_.path() / out, dtype};
  }
  std::string refusal(const ExportRequest& wanted) {
    try {
      export_hf(wanted);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  TemporaryFolder base_, folder_;
  data::TokenizerPtr tokenizer_;
  families::LoadedBase opened_;
};

TEST_F(ExportTest, ImportingAgainAndExportingGivesTheSameBytes) {
  const auto result = export_hf(request("a"));
  const auto again = families::open_base(folder_.path() / "a");
  EXPECT_EQ(again.spec, opened_.spec);
  EXPECT_EQ(again.eos_ids, (std::vector<int32_t>{256, 2}));
  EXPECT_EQ(again.chat_template, "{{ messages }}");
  const auto tokenizer = data::load_tokenizer(again.tokenizer);
  export_hf({again.spec, *again.weights, *tokenizer, again.chat_template, again.eos_ids, folder_.path() / "b", "fp32"});
  const auto a = files_of(folder_.path() / "a"), b = files_of(folder_.path() / "b");
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.size(), result.files.size());
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                           "chat_template.jinja", "model.safetensors"}) {
    EXPECT_TRUE(a.count(name)) << name;
  }
  EXPECT_EQ(result.tensor_bytes, 4 * model::parameter_count(opened_.spec));
  EXPECT_EQ(result.largest_rounding, 0);
  const auto names = [](const fs::path& file) {
    std::vector<std::string> out;
    const formats::SafetensorsFile opened(file);
    for (const auto& entry : opened.entries()) out.push_back(entry.name);
    return out;
  };
  EXPECT_EQ(names(folder_.path() / "a" / "model.safetensors"), names(base_.path() / "model.safetensors"));
}

TEST_F(ExportTest, ShardsAreNamedAndIndexed) {
  auto wanted = request("s");
  wanted.max_shard = 4000;
  export_hf(wanted);
  const auto files = files_of(folder_.path() / "s");
  const Json index = Json::parse(files.at("model.safetensors.index.json"));
  EXPECT_EQ(index["metadata"]["total_size"], 4 * model::parameter_count(opened_.spec));
  size_t shards = 0;
  for (const auto& [name, text] : files) shards += name.ends_with(".safetensors");
  EXPECT_GT(shards, 2u);
  EXPECT_FALSE(files.count("model.safetensors"));
  const auto again = families::open_base(folder_.path() / "s");  // checks index against shards, names and shapes
  std::vector<float> a(8 * 260), b(8 * 260);
  again.weights->read("head.weight", {260, 8}, 0, a);
  opened_.weights->read("head.weight", {260, 8}, 0, b);
  EXPECT_EQ(a, b);
}

TEST_F(ExportTest, Bf16IsRoundedOnce) {
  const auto result = export_hf(request("h", "bf16"));
  EXPECT_EQ(result.tensor_bytes, 2 * model::parameter_count(opened_.spec));
  const formats::SafetensorsFile file(folder_.path() / "h" / "model.safetensors");
  double largest = 0;
  for (const auto& tensor : all_tensors(opened_.spec)) {
    const auto* entry = file.find(tensor.name);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->dtype, formats::Dtype::bf16);
    std::vector<float> values(tensor.values.size());
    file.read(*entry, 0, values);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(values[i], formats::from_bf16(formats::to_bf16(tensor.values[i])));
      largest = std::max(largest, std::abs(static_cast<double>(values[i]) - tensor.values[i]));
    }
  }
  EXPECT_EQ(result.largest_rounding, largest);
}

// Base weights and adapters made of a formula.
class LoraSource : public model::WeightSource {
 public:
  explicit LoraSource(const model::WeightSource& base) : base_(base) {}
  static float a(int64_t i) { return 0.01f * static_cast<float>(i % 7 - 3); }
  static float b(int64_t i) { return 0.1f * static_cast<float>(i % 5 - 2); }
  bool has(const std::string& name) const override {
    return name.find(".lora_") != std::string::npos || base_.has(name);
  }
  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override {
    if (name.find(".lora_") == std::string::npos) return base_.read(name, shape, begin, out);
    for (size_t i = 0; i < out.size(); ++i) {
      const int64_t at = begin + static_cast<int64_t>(i);
      out[i] = name.ends_with("lora_a") ? a(at) : b(at);
    }
  }
  std::string digest() const override { return "lora"; }

 private:
  const model::WeightSource& base_;
};

TEST_F(ExportTest, AdaptersAreMergedInFp32) {
  const LoraSource source(*opened_.weights);
  const model::LoraSpec lora{3, 6.0, 0.0, {"k_proj", "down_proj"}};
  auto wanted = request("m");
  const ExportRequest merged{wanted.spec, source, *tokenizer_, "", {256}, wanted.out, "fp32", 1 << 30, {}, {}, lora};
  const auto result = export_hf(merged);
  ASSERT_TRUE(result.merge);
  EXPECT_EQ(result.merge->matrices, 4);  // two projections of two layers
  EXPECT_EQ(result.merge->relative, 0);
  EXPECT_THAT(result.text(), HasSubstr("merged 4 adapted matrices"));
  const formats::SafetensorsFile file(folder_.path() / "m" / "model.safetensors");
  for (const auto& tensor : all_tensors(opened_.spec)) {
    const bool adapted =
        tensor.name.find("k_proj") != std::string::npos || tensor.name.find("down_proj") != std::string::npos;
    std::vector<float> values(tensor.values.size());
    file.read(*file.find(tensor.name), 0, values);
    if (!adapted) {
      EXPECT_EQ(values, tensor.values) << tensor.name;
      continue;
    }
    const int64_t columns = tensor.shape[1];
    for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
      double delta = 0;
      for (int64_t r = 0; r < 3; ++r)
        delta += LoraSource::b(i / columns * 3 + r) * LoraSource::a(r * columns + i % columns);
      EXPECT_NEAR(values[static_cast<size_t>(i)], tensor.values[static_cast<size_t>(i)] + 2 * delta, 1e-5)
          << tensor.name;
    }
  }
  // Any range of a matrix gives the same values as the whole.
  const MergedWeights weights(source, opened_.spec, lora);
  EXPECT_FALSE(weights.has("blocks.0.attention.k_proj.lora_a"));
  std::vector<float> whole(4 * 8), part(13);
  weights.read("blocks.0.attention.k_proj.weight", {4, 8}, 0, whole);
  weights.read("blocks.0.attention.k_proj.weight", {4, 8}, 6, part);
  for (size_t i = 0; i < part.size(); ++i) EXPECT_FLOAT_EQ(part[i], whole[6 + i]);
  const ExportRequest halved{wanted.spec, source,  *tokenizer_, "", {256}, folder_.path() / "h",
                             "bf16",      1 << 30, {},          {}, lora};
  EXPECT_GT(export_hf(halved).merge->relative, 0);
}

TEST_F(ExportTest, RefusesWhatWouldMislead) {
  fs::create_directories(folder_.path() / "full");
  core::write_text(folder_.path() / "full" / "x.safetensors", "x");
  EXPECT_THAT(refusal(request("full")), HasSubstr("not empty"));
  EXPECT_THAT(refusal(request("a", "fp16")), HasSubstr("expected bf16 or fp32"));
  EXPECT_THAT(refusal({opened_.spec, *opened_.weights, *tokenizer_, "", {260}, folder_.path() / "a"}),
              HasSubstr("not in the vocabulary"));
  auto small = opened_.spec;
  small.vocab_size = 100;
  EXPECT_THAT(refusal({small, *opened_.weights, *tokenizer_, "", {2}, folder_.path() / "a"}),
              HasSubstr("the tokenizer has"));
  auto deeper = opened_.spec;
  deeper.num_hidden_layers = 3;
  EXPECT_THAT(refusal({deeper, *opened_.weights, *tokenizer_, "", {2}, folder_.path() / "a"}),
              HasSubstr("has no blocks.2"));
  // An empty folder is fine, and nothing is left of what was refused.
  fs::create_directories(folder_.path() / "empty");
  EXPECT_EQ(refusal(request("empty")), "");
  size_t count = 0;
  for ([[maybe_unused]] const auto& item : fs::directory_iterator(folder_.path())) ++count;
  EXPECT_EQ(count, 2u);
}

class NotFinite : public LoraSource {
 public:
  using LoraSource::LoraSource;
  void read(const std::string& name, const std::vector<int64_t>& shape, int64_t begin,
            std::span<float> out) const override {
    LoraSource::read(name, shape, begin, out);
    if (name == "final_norm.weight") out[0] = std::nanf("");
  }
};

TEST_F(ExportTest, RefusesWeightsThatAreNotFinite) {
  const NotFinite source(*opened_.weights);
  EXPECT_THAT(refusal({opened_.spec, source, *tokenizer_, "", {2}, folder_.path() / "n"}),
              HasSubstr("final_norm.weight"));
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

}  // namespace
}  // namespace plumb::exporting
