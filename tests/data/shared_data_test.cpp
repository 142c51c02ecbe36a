// Real files of every container, where they are at hand: counts known from elsewhere must come out.
#include <cstdlib>

#include "data_files.h"

namespace plumb::data {
namespace {

class SharedDataTest : public DataTest {
 protected:
  void SetUp() override {
    const char* source_dir = std::getenv("TEST_SOURCE_DIR");
    shared_ = std::filesystem::path(source_dir ? source_dir : ".") / "../shared/data";
    if (!std::filesystem::exists(shared_)) GTEST_SKIP() << "needs ../shared/data beside the source folder";
  }
  DatasetPtr build(const BuildRequest& request) {
    return Dataset::open(Dataset::build(request, *tokenizer_, *chat_, folder_ / "cache"));
  }
  std::filesystem::path shared_;
  TokenizerPtr tokenizer_ = bytes_tokenizer();
  ChatTemplatePtr chat_ = chat_template("plain", "", *tokenizer_);
};

TEST_F(SharedDataTest, TinyShakespeare) {
  auto ask = request({source(shared_ / "text/tiny_shakespeare.txt")}, 64);
  ask.validation_share = 0.1;
  const auto train = build(ask);
  ask.validation = true;
  const auto validation = build(ask);
  // nanoGPT's split: the first 90 % of 1,115,394 characters and the rest (this file lacks the last newline).
  EXPECT_EQ(train->tokens(), 1003853);
  EXPECT_EQ(validation->tokens(), 1115393 - 1003853 + 1);
  EXPECT_EQ(train->rows(), (1003853 - 2) / 64 + 1);
  const RowStream rows(validation, nullptr, 64, {.shuffle = false});
  const auto all = rows.batch(0, validation->rows());
  const auto trained = std::count_if(all.loss_weight.begin(), all.loss_weight.end(), [](float w) { return w > 0; });
  EXPECT_EQ(trained, validation->tokens() - 1);
}

TEST_F(SharedDataTest, EveryContainer) {
  const auto count = [&](config::Source from, std::map<std::string, std::string> fields, int64_t length = 65536) {
    from.fields = std::move(fields);
    auto ask = request({from}, length, "best_fit");
    ask.strict = true;
    const auto report = build(ask)->report();
    EXPECT_EQ(report.documents, report.kept + report.held_out + report.malformed + report.empty + report.too_long);
    return report.documents;
  };
  EXPECT_EQ(count(source(shared_ / "text/c4_demo.jsonl"), {}), 300);
  EXPECT_EQ(count(source(shared_ / "instruct/alpaca_en_demo.json", "alpaca"), {}), 999);
  EXPECT_EQ(count(source(shared_ / "medical/pubmedqa_ori_pqal.json", "alpaca"),
                  {{"instruction", "QUESTION"}, {"input", "CONTEXTS"}, {"output", "final_decision"}}),
            1000);
  EXPECT_EQ(
      count(source(shared_ / "korean/ChatbotData.csv", "prompt_completion"), {{"prompt", "Q"}, {"completion", "A"}}),
      11823);
}

}  // namespace
}  // namespace plumb::data
