// Shapes, names, counts and starting values of a model; every impossible shape is refused by name.
#include "trainer/model/spec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/error.h"
#include "trainer/model/initial_values.h"
#include "trainer/model/parameter.h"

namespace plumb::model {
namespace {

// Llama 3.2 1B, whose parameter count is published: 1,235,814,400.
ModelSpec llama_1b() {
  ModelSpec spec;
  spec.vocab_size = 128256, spec.hidden_size = 2048, spec.intermediate_size = 8192, spec.num_hidden_layers = 16;
  spec.num_attention_heads = 32, spec.num_key_value_heads = 8, spec.head_dim = 64;
  spec.max_position_embeddings = 131072, spec.rope_theta = 500000, spec.tie_word_embeddings = true;
  return spec;
}

TEST(Spec, CountsAPublishedModel) {
  EXPECT_EQ(parameter_count(llama_1b()), 1'235'814'400);
  ModelSpec untied = llama_1b();
  untied.tie_word_embeddings = false;
  EXPECT_EQ(parameter_count(untied), 1'235'814'400 + 128256LL * 2048);
  // 6 N and attention, full and causal.
  const FlopsPerToken flops = flops_per_token(llama_1b(), 2048);
  EXPECT_DOUBLE_EQ(flops.full, 6.0 * 1'235'814'400 + 12.0 * 16 * 2048 * 2048);
  EXPECT_DOUBLE_EQ(flops.full - flops.causal, 6.0 * 16 * 2048 * 2048);
  EXPECT_DOUBLE_EQ(flops_per_token(untied, 2048).full, flops.full);
}

TEST(Spec, ImpossibleShapesAreRefusedByName) {
  const auto refused = [](const char* key, void (*spoil)(ModelSpec&)) {
    ModelSpec spec = llama_1b();
    spoil(spec);
    try {
      spec.validate("model");
      ADD_FAILURE() << key << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      EXPECT_NE(error.message().find(key), std::string::npos) << error.message();
    }
  };
  EXPECT_NO_THROW(llama_1b().validate("model"));
  refused("vocab_size", [](ModelSpec& s) { s.vocab_size = 0; });
  refused("hidden_size", [](ModelSpec& s) { s.hidden_size = int64_t{1} << 40; });
  refused("num_hidden_layers", [](ModelSpec& s) { s.num_hidden_layers = -1; });
  refused("num_key_value_heads", [](ModelSpec& s) { s.num_key_value_heads = 5; });
  refused("head_dim", [](ModelSpec& s) { s.head_dim = 63; });
  refused("rope_theta", [](ModelSpec& s) { s.rope_theta = std::nan(""); });
  refused("rms_norm_eps", [](ModelSpec& s) { s.rms_norm_eps = 0; });
  refused("attention_dropout", [](ModelSpec& s) { s.attention_dropout = 0.1; });
  refused("hidden_dropout", [](ModelSpec& s) { s.hidden_dropout = 1; });
  refused("rope_scaling", [](ModelSpec& s) { s.rope_scaling = RopeScaling{8, 4, 1, 8192}; });
}

TEST(Spec, FusedProjectionsLieSideBySide) {
  const LoraSpec lora{8, 16, 0, {"q_proj", "v_proj", "gate_proj", "up_proj"}};
  std::vector<std::string> names;
  for (const ParameterInfo& info : parameters(llama_1b(), lora)) {
    EXPECT_EQ(info.trainable, info.name.find(".lora_") != std::string::npos) << info.name;
    if (info.stage == 3) names.push_back(info.name);
  }
  const std::string p = "blocks.2.";
  EXPECT_EQ(names, (std::vector<std::string>{
                       p + "attention_norm.weight", p + "attention.q_proj.weight", p + "attention.k_proj.weight",
                       p + "attention.v_proj.weight", p + "attention.o_proj.weight", p + "mlp_norm.weight",
                       p + "mlp.gate_proj.weight", p + "mlp.up_proj.weight", p + "mlp.down_proj.weight",
                       p + "attention.q_proj.lora_a", p + "attention.v_proj.lora_a", p + "attention.q_proj.lora_b",
                       p + "attention.v_proj.lora_b", p + "mlp.gate_proj.lora_a", p + "mlp.up_proj.lora_a",
                       p + "mlp.gate_proj.lora_b", p + "mlp.up_proj.lora_b"}));
  EXPECT_THROW(parameters(llama_1b(), LoraSpec{8, 16, 0, {"lm_head"}}), Error);
  EXPECT_THROW(parameters(llama_1b(), LoraSpec{8, 16, 0, {}}), Error);
  EXPECT_THROW(parameters(llama_1b(), LoraSpec{0, 16, 0, {"q_proj"}}), Error);
}

TEST(InitialValues, AnyPartGivesTheSameElements) {
  const ParameterInfo info{"blocks.0.mlp.up_proj.weight", {128, 96}, 1};
  const ModelSpec spec = llama_1b();
  std::vector<float> whole(128 * 96), other(128 * 96);
  initial_values(info, spec, 5, 0, whole);
  for (size_t begin = 0, length = 1; begin < whole.size(); begin += length, length = length * 3 % 1001) {
    std::vector<float> part(std::min(length, whole.size() - begin));
    initial_values(info, spec, 5, static_cast<int64_t>(begin), part);
    for (size_t i = 0; i < part.size(); ++i) ASSERT_EQ(part[i], whole[begin + i]) << begin + i;
  }
  initial_values(info, spec, 6, 0, other);
  EXPECT_NE(whole, other) << "another seed";
  ParameterInfo renamed = info;
  renamed.name = "blocks.1.mlp.up_proj.weight";
  initial_values(renamed, spec, 5, 0, other);
  EXPECT_NE(whole, other) << "another name";
}

TEST(InitialValues, HaveTheRightDistribution) {
  ParameterInfo info{"a", {400, 500}, 1};
  ModelSpec spec = llama_1b();
  spec.initializer_range = 0.02;
  std::vector<float> values(400 * 500);
  initial_values(info, spec, 1, 0, values);
  double sum = 0, squares = 0, fourth = 0;
  for (const float v : values) sum += v, squares += double(v) * v, fourth += std::pow(v / 0.02, 4);
  const double n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0, 5 * 0.02 / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), 0.02, 5 * 0.02 / std::sqrt(2 * n));
  EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96 / n)) << "the kurtosis of a normal distribution";
  info.init = ParameterInfo::Init::kaiming_uniform;
  initial_values(info, spec, 1, 0, values);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double bound = 1 / std::sqrt(500.0);
  EXPECT_LE(*most, bound);
  EXPECT_GE(*least, -bound);
  EXPECT_GT(*most, 0.999 * bound);
}

TEST(Parameters, HandlesNameWhatIsMissing) {
  ParameterTable table(parameters(llama_1b()));
  const auto qkv = table.fused(
      {"blocks.0.attention.q_proj.weight", "blocks.0.attention.k_proj.weight", "blocks.0.attention.v_proj.weight"});
  EXPECT_EQ(qkv.parameter().shape, (std::vector<int64_t>{3072, 2048}));
  EXPECT_THROW(qkv.value(), Error) << "not gathered";
  EXPECT_THROW(qkv.gradient(), Error) << "no slot";
  EXPECT_THROW(table.fused({"nothing"}), Error);
}

}  // namespace
}  // namespace plumb::model
