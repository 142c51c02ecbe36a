// A part whose token file is larger than four gigabytes: written, read back at both ends, and found out when damaged.
#include <fmt/format.h>

#include <fstream>

#include "core/hash.h"
#include "core/json.h"
#include "data/shards/writer.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLength = 1 << 20, kDocuments = 1030, kVocabulary = 100'000;  // 4.3 GB of tokens

Sample document(int64_t number) {
  Sample sample;
  sample.id = static_cast<uint64_t>(number) + 1;
  sample.ids.resize(kLength), sample.weight.assign(kLength, 1.0f);
  sample.weight[0] = 0;
  for (int64_t i = 0; i < kLength; ++i) {
    sample.ids[static_cast<size_t>(i)] = static_cast<int32_t>((i * 7 + number * 13) % kVocabulary);
  }
  return sample;
}

class LargePartTest : public DataTest {
 protected:
  // A dataset of one text, whose only part is replaced by the large one.
  fs::path large() const {
    const FakeTokenizer tokenizer;
    const auto folder = Dataset::build(request({source(write("a.txt", "a text"))}, kLength, "best_fit"), tokenizer,
                                       *chat_template("plain", "", tokenizer), folder_ / "cache");
    auto content = core::parse_json_file(folder / "manifest.json")["content"];
    content["vocab_size"] = kVocabulary, content["token_bytes"] = 4;
    std::vector<HashedFile> files;
    for (const auto& file : content["files"]) {
      const auto name = file[0].get<std::string>();
      if (!name.ends_with(".bin")) files.push_back(write_hashed(folder, name, slurp(folder / name)));
    }
    PartWriter writer(folder, {.vocab_size = kVocabulary,
                               .sequence_length = kLength,
                               .packing = "best_fit",
                               .tokenizer_digest = content["tokenizer_digest"]});
    for (int64_t number = 0; number < kDocuments; ++number) writer.add(document(number), {.line = 1}, false);
    for (auto& file : writer.finish()) files.push_back(std::move(file));
    write_manifest(folder, content,
                   {{0, kDocuments, writer.tokens(), static_cast<uint64_t>(writer.rows()), writer.spans()}}, files);
    return folder;
  }
};

TEST_F(LargePartTest, IsReadToItsEnd) {
  if (fs::space(folder_).available < uint64_t{8} << 30) GTEST_SKIP() << "less than 8 GiB free for temporary files";
  const auto folder = large();
  const auto tokens = folder / "tokens-00000.bin";
  ASSERT_GT(fs::file_size(tokens), uint64_t{1} << 32);
  {
    const auto dataset = Dataset::open(folder);
    EXPECT_EQ(dataset->tokens(), kDocuments * kLength);
    ASSERT_EQ(dataset->rows(), kDocuments);
    for (const int64_t number : {int64_t{0}, int64_t{1023}, int64_t{1024}, kDocuments - 1}) {  // 1024: from 4 GiB on
      dataset->verify_document(number);
      EXPECT_EQ(dataset->sample(number).ids, document(number).ids) << number;
      ASSERT_EQ(dataset->rows_of(number).size(), 1u);
      const auto row = dataset->row(dataset->rows_of(number)[0]);
      ASSERT_EQ(row.size(), 1u);
      EXPECT_EQ(row[0].document, number);
      EXPECT_EQ(row[0].end, kLength);
    }
  }
  const uint64_t offset = (uint64_t{4099} << 20) + 77;
  std::fstream file(tokens, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const auto byte = static_cast<char>(file.get() ^ 1);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
  file.close();
  const auto damaged = Dataset::open(folder);
  damaged->sample(0);
  EXPECT_THAT(
      error_of([&] { damaged->sample(1024); }),
      testing::AllOf(testing::HasSubstr("tokens-00000.bin"), testing::HasSubstr("bytes 4298113024 to 4299161600")));
}

}  // namespace
}  // namespace plumb::data
