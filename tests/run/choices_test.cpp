#include "trainer/run/choices.h"

#include <gtest/gtest.h>

namespace plumb::run {
namespace {

// A CPU is given no more positions than its caches are good for; a GPU as many as its memory allows.
TEST(Choices, TheLargestMicroBatchIsTheDevices) {
  const auto chosen = [](at::Device device, int64_t memory) {
    auto loaded = config::load_config_text(
        "model: {family: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 4}\n"
        "tokenizer: {type: bytes}\n"
        "data: {sources: [{path: text.txt, format: text}], sequence_length: 1024}\n"
        "train: {steps: 1, global_batch_size: 64, learning_rate: 1e-3, precision: fp32}\n",
        "run.yaml", ".", {}, config::Purpose::train);
    model::ModelSpec spec;
    spec.hidden_size = 32;
    spec.intermediate_size = 64;
    spec.num_hidden_layers = 2;
    spec.num_attention_heads = spec.num_key_value_heads = 4;
    spec.head_dim = 8;
    spec.max_position_embeddings = 1024;
    spec.vocab_size = 257;
    Place place;
    place.device = device;
    return decide(loaded, {}, place, {.pipeline = 1, .data = 1, .shard = 1}, spec, {}, memory);
  };
  constexpr int64_t kPlenty = int64_t{1} << 40;
  EXPECT_EQ(chosen(at::kCPU, kPlenty).micro_batch_size, 16);  // 16,384 positions
  EXPECT_EQ(chosen(at::Device(at::kCUDA, 0), kPlenty).micro_batch_size, 64);
  const auto little = chosen(at::Device(at::kCUDA, 0), int64_t{100} << 20);
  EXPECT_EQ(little.micro_batch_size, little.largest_micro_batch);
  EXPECT_LT(little.micro_batch_size, 64);
  EXPECT_LE(little.memory.total_bytes(), int64_t{100} << 20);
}

}  // namespace
}  // namespace plumb::run
