#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "tests/families/folder.h"
#include "trainer/families/spec_json.h"

namespace plumb::families {
namespace {

using namespace testing_support;
using testing::HasSubstr;

std::string refusal(const std::function<void(Json&)>& change) {
  Json config = small_config();
  change(config);
  try {
    spec_of(config);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_THAT(error.where(), HasSubstr("config.json"));
    return error.what();
  }
}

TEST(Llama, ReadsEveryKey) {
  const auto spec = spec_of(small_config());
  EXPECT_EQ(spec.family, "llama");
  EXPECT_EQ(spec.vocab_size, 32);
  EXPECT_EQ(spec.hidden_size, 8);
  EXPECT_EQ(spec.intermediate_size, 12);
  EXPECT_EQ(spec.num_hidden_layers, 2);
  EXPECT_EQ(spec.num_attention_heads, 2);
  EXPECT_EQ(spec.num_key_value_heads, 1);
  EXPECT_EQ(spec.head_dim, 4);
  EXPECT_EQ(spec.max_position_embeddings, 64);
  EXPECT_EQ(spec.rms_norm_eps, 1e-5);
  EXPECT_EQ(spec.rope_theta, 10000);
  EXPECT_FALSE(spec.tie_word_embeddings);
  EXPECT_FALSE(spec.rope_scaling);
}

TEST(Llama, FillsWhatTransformersFills) {
  const auto spec =
      spec_of(Json::parse(R"({"vocab_size":32,"hidden_size":8,"intermediate_size":12,"num_hidden_layers":1,
    "num_attention_heads":2,"num_key_value_heads":null,"head_dim":null})"));
  EXPECT_EQ(spec.num_key_value_heads, 2);
  EXPECT_EQ(spec.head_dim, 4);
  EXPECT_EQ(spec.rms_norm_eps, 1e-6);
  EXPECT_EQ(spec.max_position_embeddings, 2048);
  EXPECT_EQ(spec.initializer_range, 0.02);
}

const Json kLlama3 = Json::parse(R"({"rope_type":"llama3","factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
                                     "original_max_position_embeddings":8192})");

TEST(Llama, ReadsBothSpellingsOfRope) {
  Json old = small_config(), older = small_config(), now = small_config(), both = small_config();
  old["rope_theta"] = 500000.0;
  old["rope_scaling"] = kLlama3;
  older = old;
  older["rope_scaling"]["type"] = "llama3";
  older["rope_scaling"].erase("rope_type");
  now.erase("rope_theta");
  now["rope_parameters"] = kLlama3;
  now["rope_parameters"]["rope_theta"] = 500000;
  both = old;
  both["rope_parameters"] = now["rope_parameters"];
  const auto spec = spec_of(now);
  EXPECT_EQ(spec.rope_theta, 500000);
  ASSERT_TRUE(spec.rope_scaling);
  EXPECT_EQ(spec.rope_scaling->factor, 32);
  EXPECT_EQ(spec.rope_scaling->original_max_position_embeddings, 8192);
  EXPECT_EQ(spec_of(old), spec);
  EXPECT_EQ(spec_of(older), spec);
  EXPECT_EQ(spec_of(both), spec);
}

TEST(Llama, RefusesContradictingRope) {
  EXPECT_THAT(refusal([](Json& c) {
                c["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 500000.0}};
              }),
              HasSubstr("says something else"));
  EXPECT_THAT(refusal([](Json& c) {
                c["rope_scaling"] = kLlama3;
                c["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 10000.0}};
              }),
              HasSubstr("says something else"));
}

TEST(Llama, RefusesVariantsByName) {
  EXPECT_THAT(refusal([](Json& c) { c["attention_bias"] = true; }),
              HasSubstr("attention_bias: expected false, found true"));
  EXPECT_THAT(refusal([](Json& c) { c["mlp_bias"] = true; }), HasSubstr("mlp_bias"));
  EXPECT_THAT(refusal([](Json& c) { c["hidden_act"] = "gelu"; }),
              HasSubstr("hidden_act: expected \"silu\", found \"gelu\""));
  EXPECT_THAT(refusal([](Json& c) { c["sliding_window"] = 4096; }),
              HasSubstr("sliding_window: expected null, found 4096"));
  EXPECT_THAT(refusal([](Json& c) {
                c["quantization_config"] = {{"bits", 4}};
              }),
              HasSubstr("quantised bases are not read"));
  EXPECT_THAT(refusal([](Json& c) {
                c["layer_types"] = {"full_attention", "sliding_attention"};
              }),
              HasSubstr("layer_types"));
  EXPECT_THAT(refusal([](Json& c) { c["architectures"] = {"LlamaForSequenceClassification"}; }),
              HasSubstr("architectures"));
  EXPECT_THAT(refusal([](Json& c) {
                c["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 2.0}};
              }),
              HasSubstr("found \"yarn\""));
  EXPECT_THAT(refusal([](Json& c) { c["partial_rotary_factor"] = 0.5; }), HasSubstr("partial_rotary_factor"));
  EXPECT_THROW(family_of("mistral", "config.json"), Error);
}

TEST(Llama, RefusesWrongTypesAndSizes) {
  EXPECT_THAT(refusal([](Json& c) { c.erase("hidden_size"); }), HasSubstr("hidden_size: expected an int from 1"));
  EXPECT_THAT(refusal([](Json& c) { c["hidden_size"] = 8.0; }), HasSubstr("found 8.0"));
  EXPECT_THAT(refusal([](Json& c) { c["hidden_size"] = "8"; }), HasSubstr("found \"8\""));
  EXPECT_THAT(refusal([](Json& c) { c["vocab_size"] = 0; }), HasSubstr("vocab_size"));
  EXPECT_THAT(refusal([](Json& c) { c["vocab_size"] = -32; }), HasSubstr("found -32"));
  EXPECT_THAT(refusal([](Json& c) { c["vocab_size"] = uint64_t{1} << 63; }), HasSubstr("vocab_size"));
  EXPECT_THAT(refusal([](Json& c) { c["num_hidden_layers"] = 1 << 20; }), HasSubstr("num_hidden_layers"));
  EXPECT_THAT(refusal([](Json& c) { c["rms_norm_eps"] = "1e-05"; }), HasSubstr("rms_norm_eps: expected a number"));
  EXPECT_THAT(refusal([](Json& c) { c["tie_word_embeddings"] = 1; }), HasSubstr("expected true or false"));
  EXPECT_THAT(refusal([](Json& c) { c["num_key_value_heads"] = 3; }), HasSubstr("num_"));
  EXPECT_THAT(refusal([](Json& c) {
                c["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", 8.0}};
              }),
              HasSubstr("low_freq_factor"));
}

TEST(Llama, NamesEveryTensorOnce) {
  const auto list = tensors(spec_of(small_config()));
  ASSERT_EQ(list.size(), 1u + 2 * 9 + 2);
  std::map<std::string, std::string> names;
  for (const auto& tensor : list) EXPECT_TRUE(names.emplace(tensor.hugging_face, tensor.canonical).second);
  EXPECT_EQ(names.at("model.embed_tokens.weight"), "embedding.weight");
  EXPECT_EQ(names.at("model.layers.1.input_layernorm.weight"), "blocks.1.attention_norm.weight");
  EXPECT_EQ(names.at("model.layers.0.post_attention_layernorm.weight"), "blocks.0.mlp_norm.weight");
  EXPECT_EQ(names.at("model.layers.1.self_attn.k_proj.weight"), "blocks.1.attention.k_proj.weight");
  EXPECT_EQ(names.at("model.layers.1.mlp.down_proj.weight"), "blocks.1.mlp.down_proj.weight");
  EXPECT_EQ(names.at("model.norm.weight"), "final_norm.weight");
  EXPECT_EQ(names.at("lm_head.weight"), "head.weight");
  Json tied = small_config();
  tied["tie_word_embeddings"] = true;
  EXPECT_EQ(tensors(spec_of(tied)).size(), list.size() - 1);
}

TEST(Llama, WritesWhatItReads) {
  Json config = small_config();
  config["rope_scaling"] = kLlama3;
  const auto spec = spec_of(config);
  const Json written = family_of("llama", "").write_config(spec);
  EXPECT_EQ(spec_of(written), spec);
  EXPECT_TRUE(written["hidden_size"].is_number_integer());
  EXPECT_TRUE(written["rope_theta"].is_number_float());
  EXPECT_TRUE(written["rope_parameters"]["original_max_position_embeddings"].is_number_integer());
  EXPECT_EQ(written["rope_parameters"]["rope_theta"], written["rope_theta"]);
  const Json plain = family_of("llama", "").write_config(spec_of(small_config()));
  EXPECT_TRUE(plain["rope_scaling"].is_null());
  EXPECT_EQ(plain["rope_parameters"]["rope_type"], "default");
}

TEST(SpecJson, RoundTrip) {
  Json config = small_config();
  config["rope_scaling"] = kLlama3;
  config["tie_word_embeddings"] = true;
  auto spec = spec_of(config);
  spec.hidden_dropout = 0.1;
  EXPECT_EQ(model_spec_from_json(Json::parse(to_json(spec).dump()), "x"), spec);
  const model::LoraSpec lora{4, 8.5, 0.05, {"q_proj", "down_proj"}};
  EXPECT_EQ(lora_spec_from_json(Json::parse(to_json(lora).dump()), "x"), lora);
  Json bad = to_json(lora);
  bad["targets"] = {"lm_head"};
  EXPECT_THROW(lora_spec_from_json(bad, "x"), Error);
  bad["targets"] = Json::array();
  EXPECT_THROW(lora_spec_from_json(bad, "x"), Error);
  Json worse = to_json(spec);
  worse["num_hidden_layers"] = -1;
  EXPECT_THROW(model_spec_from_json(worse, "x"), Error);
  EXPECT_THROW(model_spec_from_json(Json::array(), "x"), Error);
}

}  // namespace
}  // namespace plumb::families
