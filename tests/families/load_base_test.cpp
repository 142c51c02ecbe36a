#include "trainer/families/load_base.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "core/error.h"
#include "core/files.h"
#include "tests/families/folder.h"
#include "trainer/families/weight_files.h"

namespace plumb::families {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const fs::path& folder) {
  try {
    open_base(folder);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::bad_input);
    EXPECT_FALSE(error.where().empty());
    return error.what();
  }
}

void write_index(const fs::path& folder, const Json& weight_map) {
  core::write_text(folder / "model.safetensors.index.json",
                   Json{{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}}.dump());
}

// Two shards and their index, tensors dealt in turn.
Json write_sharded(const fs::path& folder) {
  write_config(folder, small_config());
  const auto all = all_tensors(spec_of(small_config()));
  std::vector<Tensor> parts[2];
  Json map = Json::object();
  for (size_t i = 0; i < all.size(); ++i) {
    parts[i % 2].push_back(all[i]);
    map[all[i].name] = i % 2 ? "b.safetensors" : "a.safetensors";
  }
  write_tensors(folder / "a.safetensors", parts[0]);
  write_tensors(folder / "b.safetensors", parts[1]);
  write_index(folder, map);
  return map;
}

void expect_all_values(const LoadedBase& base) {
  const auto expected = all_tensors(base.spec);
  const auto named = tensors(base.spec);
  for (size_t k = 0; k < named.size(); ++k) {
    std::vector<float> values(expected[k].values.size());
    base.weights->read(named[k].canonical, named[k].shape, 0, values);
    EXPECT_EQ(values, expected[k].values) << named[k].canonical;
    std::vector<float> part(3);
    base.weights->read(named[k].canonical, named[k].shape, 5, part);
    EXPECT_EQ(part[0], expected[k].values[5]);
  }
}

TEST(LoadBase, OneFile) {
  const TemporaryFolder folder;
  write_small_model(folder);
  const auto base = open_base(folder);
  expect_all_values(base);
  EXPECT_EQ(base.bos_id, 1);
  EXPECT_EQ(base.pad_id, std::nullopt);
  EXPECT_THAT(base.eos_ids, ElementsAre(2, 3));
  EXPECT_TRUE(base.tokenizer.empty());
  EXPECT_EQ(base.chat_template, "");
  EXPECT_FALSE(base.weights->has("nowhere"));
  std::vector<float> values(4);
  EXPECT_THROW(base.weights->read("nowhere", {4}, 0, values), Error);
  EXPECT_THROW(base.weights->read("final_norm.weight", {4}, 0, values), Error);
  EXPECT_THROW(base.weights->read("final_norm.weight", {8}, 5, values), Error);
}

TEST(LoadBase, Shards) {
  const TemporaryFolder folder;
  write_sharded(folder);
  expect_all_values(open_base(folder));
}

TEST(LoadBase, DigestFollowsContentOnly) {
  const TemporaryFolder a, b;
  write_small_model(a);
  write_small_model(b);
  const std::string digest = open_base(a).weights->digest();
  EXPECT_EQ(digest.size(), 64u);
  EXPECT_EQ(open_base(b).weights->digest(), digest);
  auto changed = all_tensors(spec_of(small_config()));
  changed[3].values[7] += 1;
  write_tensors(b.path() / "model.safetensors", changed);
  EXPECT_NE(open_base(b).weights->digest(), digest);
  // The sampled form sees it too, small files being sampled whole.
  EXPECT_NE(WeightFiles(a).digest(0), WeightFiles(b).digest(0));
  EXPECT_NE(WeightFiles(a).digest(0), WeightFiles(a).digest());
}

TEST(LoadBase, GenerationConfigWins) {
  const TemporaryFolder folder;
  write_small_model(folder);
  core::write_text(folder.path() / "generation_config.json", R"({"eos_token_id":[7,8,7],"pad_token_id":9})");
  const auto base = open_base(folder);
  EXPECT_THAT(base.eos_ids, ElementsAre(7, 8));
  EXPECT_EQ(base.pad_id, 9);
  core::write_text(folder.path() / "generation_config.json", R"({"eos_token_id":5})");
  EXPECT_THAT(open_base(folder).eos_ids, ElementsAre(5));
  core::write_text(folder.path() / "generation_config.json", R"({"eos_token_id":[5,-1]})");
  EXPECT_THAT(refusal(folder), HasSubstr("eos_token_id"));
  core::write_text(folder.path() / "generation_config.json", R"({"eos_token_id":32})");
  EXPECT_THAT(refusal(folder), HasSubstr("less than vocab_size 32, found 32"));
}

TEST(LoadBase, ChatTemplateTexts) {
  const TemporaryFolder folder;
  write_small_model(folder);
  core::write_text(folder.path() / "tokenizer_config.json", R"({"chat_template":"from config"})");
  EXPECT_EQ(open_base(folder).chat_template, "from config");
  core::write_text(folder.path() / "tokenizer_config.json",
                   R"({"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]})");
  EXPECT_EQ(open_base(folder).chat_template, "d");
  core::write_text(folder.path() / "chat_template.jinja", "from file");
  EXPECT_EQ(open_base(folder).chat_template, "from file");
  core::write_text(folder.path() / "tokenizer.json", "{}");
  EXPECT_EQ(open_base(folder).tokenizer, folder.path());
}

TEST(LoadBase, TiedHead) {
  const TemporaryFolder folder;
  Json config = small_config();
  config["tie_word_embeddings"] = true;
  write_small_model(folder, config);
  EXPECT_FALSE(open_base(folder).weights->has("head.weight"));
  auto all = all_tensors(spec_of(config));
  Tensor head = all[0];  // the embedding
  ASSERT_EQ(head.name, "model.embed_tokens.weight");
  head.name = "lm_head.weight";
  all.push_back(head);
  write_tensors(folder.path() / "model.safetensors", all);
  EXPECT_EQ(refusal(folder), "");  // stored twice, equal
  all.back().values[0] += 1;
  write_tensors(folder.path() / "model.safetensors", all);
  EXPECT_THAT(refusal(folder), HasSubstr("ties the head"));
}

TEST(LoadBase, RefusesWrongTensors) {
  const TemporaryFolder folder;
  write_small_model(folder);
  const auto good = all_tensors(spec_of(small_config()));
  auto bad = good;
  bad.pop_back();
  write_tensors(folder.path() / "model.safetensors", bad);
  EXPECT_THAT(refusal(folder), HasSubstr("is missing"));
  bad = good;
  bad.push_back({"model.layers.0.self_attn.q_proj.bias", {8}, std::vector<float>(8)});
  write_tensors(folder.path() / "model.safetensors", bad);
  EXPECT_THAT(refusal(folder), HasSubstr("unexpected tensor model.layers.0.self_attn.q_proj.bias"));
  bad = good;
  bad.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", {2}, std::vector<float>(2)});
  write_tensors(folder.path() / "model.safetensors", bad);
  EXPECT_EQ(refusal(folder), "");
  bad = good;
  std::swap(bad[1].shape.at(0), bad[1].shape.emplace_back(1));
  write_tensors(folder.path() / "model.safetensors", bad);
  EXPECT_THAT(refusal(folder), HasSubstr("expected the shape"));
}

TEST(LoadBase, RefusesIntegersAsWeights) {
  const TemporaryFolder folder;
  write_small_model(folder);
  const auto good = all_tensors(spec_of(small_config()));
  std::vector<formats::SafetensorsWriter::Declared> declared;
  for (const auto& tensor : good) declared.push_back({tensor.name, formats::Dtype::i32, tensor.shape});
  formats::SafetensorsWriter writer(folder.path() / "model.safetensors", declared);
  for (const auto& next : writer.order()) {
    int64_t n = 4;
    for (const int64_t d : next.shape) n *= d;
    writer.write(std::vector<std::byte>(static_cast<size_t>(n)));
  }
  writer.finish();
  EXPECT_THAT(refusal(folder), HasSubstr("found I32"));
}

TEST(LoadBase, RefusesHostileIndexes) {
  const TemporaryFolder folder, elsewhere;
  const Json good = write_sharded(folder);
  const std::string first = good.begin().key();
  for (const char* name :
       {"../a.safetensors", "/etc/passwd", "..", ".", "", "sub/a.safetensors", "a.bin", "..\\a.safetensors"}) {
    Json map = good;
    map[first] = name;
    write_index(folder, map);
    EXPECT_THAT(refusal(folder), HasSubstr("may not point outside")) << name;
  }
  Json map = good;
  map[first] = 7;
  write_index(folder, map);
  EXPECT_THAT(refusal(folder), HasSubstr("expected the name of a file"));
  map = good;
  map[first] = "c.safetensors";
  write_index(folder, map);
  EXPECT_THAT(refusal(folder), HasSubstr("cannot open"));
  map = good;
  map[first] = "b.safetensors";  // it is in a
  write_index(folder, map);
  EXPECT_THAT(refusal(folder), HasSubstr("but it is in a.safetensors"));
  map = good;
  map["more"] = "a.safetensors";
  write_index(folder, map);
  EXPECT_THAT(refusal(folder), HasSubstr("but it is nowhere"));
  map = good;
  map.erase(first);
  write_index(folder, map);
  EXPECT_THAT(refusal(folder), HasSubstr("which the index does not name"));
  core::write_text(folder.path() / "model.safetensors.index.json",
                   R"({"weight_map":{"a":"a.safetensors","a":"b.safetensors"}})");
  EXPECT_THAT(refusal(folder), HasSubstr("twice"));
  core::write_text(folder.path() / "model.safetensors.index.json", "[1]");
  EXPECT_THAT(refusal(folder), HasSubstr("weight_map"));
}

TEST(LoadBase, RefusesATensorInTwoShards) {
  const TemporaryFolder folder;
  const Json map = write_sharded(folder);
  write_tensors(folder.path() / "b.safetensors", all_tensors(spec_of(small_config())));
  EXPECT_THAT(refusal(folder), HasSubstr("stands in a.safetensors too"));
}

TEST(LoadBase, RefusesLinksThatLeave) {
  const TemporaryFolder folder, elsewhere;
  write_small_model(folder);
  fs::rename(folder.path() / "model.safetensors", elsewhere.path() / "model.safetensors");
  fs::create_symlink(elsewhere.path() / "model.safetensors", folder.path() / "model.safetensors");
  EXPECT_THAT(refusal(folder), HasSubstr("leaves the folder"));
  fs::remove(folder.path() / "model.safetensors");
  fs::create_symlink("model.safetensors", folder.path() / "model.safetensors");  // to itself
  EXPECT_THAT(refusal(folder), HasSubstr("cannot open"));
  fs::remove(folder.path() / "model.safetensors");
  ASSERT_EQ(::mkfifo((folder.path() / "model.safetensors").c_str(), 0600), 0);
  EXPECT_THAT(refusal(folder), HasSubstr("expected a regular file"));
}

TEST(LoadBase, AcceptsTheHubCache) {
  const TemporaryFolder repository;
  const fs::path snapshot = repository.path() / "snapshots" / "abc", blobs = repository.path() / "blobs";
  fs::create_directories(snapshot);
  fs::create_directories(blobs);
  write_small_model(snapshot);
  fs::rename(snapshot / "model.safetensors", blobs / "0123");
  fs::create_symlink("../../blobs/0123", snapshot / "model.safetensors");
  expect_all_values(open_base(snapshot));
}

TEST(LoadBase, RefusesWhatIsNoFolder) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal(folder.path() / "missing"), HasSubstr("no such folder"));
  EXPECT_THAT(refusal(folder), HasSubstr("found no config.json"));
  core::write_text(folder.path() / "config.json", "{}");
  EXPECT_THAT(refusal(folder), HasSubstr("model_type"));
  EXPECT_THAT(refusal(folder.path() / "config.json"), HasSubstr("found a file"));
  core::write_text(folder.path() / "config.json", R"({"model_type":"mistral"})");
  EXPECT_THAT(refusal(folder), HasSubstr("\"mistral\" is not supported"));
  write_config(folder, small_config());
  EXPECT_THAT(refusal(folder), HasSubstr("neither model.safetensors nor"));
  core::write_text(folder.path() / "pytorch_model.bin", "x");
  EXPECT_THAT(refusal(folder), HasSubstr("never read"));
}

}  // namespace
}  // namespace plumb::families
