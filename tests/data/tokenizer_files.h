// Small tokenizer.json texts for the tokenizer tests, and the files of ../shared where they are.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/files.h"
#include "data/tokenizer/byte_level.h"
#include "data/tokenizer/tokenizer.h"

namespace plumb::data {

class TokenizerTest : public ::testing::Test {
 protected:
  using Json = nlohmann::ordered_json;

  ~TokenizerTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // 256 bytes, then the results of the merges; "a b" merges of byte-level text.
  static Json bpe_json(const std::vector<std::string>& merges) {
    Json vocab = Json::object();
    for (int byte = 0; byte < 256; ++byte) vocab[to_byte_level(std::string(1, static_cast<char>(byte)))] = byte;
    int id = 256;
    for (const auto& merge : merges) {
      const auto space = merge.find(' ');
      const auto joined = merge.substr(0, space) + merge.substr(space + 1);
      if (!vocab.contains(joined)) vocab[joined] = id++;
    }
    const Json level = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}};
    return {{"version", "1.0"},
            {"truncation", nullptr},
            {"padding", nullptr},
            {"added_tokens", Json::array()},
            {"normalizer", nullptr},
            {"pre_tokenizer", level},
            {"post_processor", level},
            {"decoder", level},
            {"model", {{"type", "BPE"}, {"dropout", nullptr}, {"vocab", vocab}, {"merges", merges}}}};
  }
  static Json added(int id, const std::string& content, bool special, const Json& flags = Json::object()) {
    Json token = {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
                  {"rstrip", false}, {"normalized", false}, {"special", special}};
    for (const auto& [key, value] : flags.items()) token[key] = value;
    return token;
  }
  std::filesystem::path write(const std::string& text, const std::string& name = "tokenizer.json") {
    std::filesystem::create_directories(folder_);
    core::write_text(folder_ / name, text);
    return folder_ / name;
  }
  TokenizerPtr load(const Json& json, const SpecialTokens& specials = {}) {
    return load_tokenizer(write(json.dump()), specials);
  }
  static std::vector<int32_t> ids(const Tokenizer& tokenizer, std::string_view text,
                                  SpecialInText mode = SpecialInText::token, EncodeCounts* counts = nullptr) {
    std::vector<int32_t> result;
    tokenizer.encode(text, result, mode, counts);
    return result;
  }
  // A file under ../shared, or empty.
  static std::filesystem::path shared(const std::string& name) {
    const char* source_dir = std::getenv("TEST_SOURCE_DIR");
    const auto file = std::filesystem::path(source_dir ? source_dir : ".") / "../shared" / name;
    return std::filesystem::exists(file) ? file : std::filesystem::path();
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("plumb-tokenizer-" + std::to_string(getpid()) + "-" +
                                                ::testing::UnitTest::GetInstance()->current_test_info()->name());
};

using Ids = std::vector<int32_t>;

}  // namespace plumb::data
