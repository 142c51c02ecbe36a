// What is trained on.
#include "data/show.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

Sample sample(const Record& record, const std::string& format, const Tokenizer& tokenizer, const std::string& chat,
              const std::string& loss_on, SpecialInText special = SpecialInText::text) {
  return make_sample(record, format, tokenizer, *chat_template(chat, "", tokenizer), loss_on, special, nullptr);
}

const FakeTokenizer kMarkup("<bos>", {"<|im_start|>", "<|im_end|>"});

Record talk() {
  Record record;
  record.messages = {{"user", "q1"}, {"assistant", "a1"}, {"user", "q2"}, {"assistant", "a2"}};
  record.where = "f.jsonl:3";
  return record;
}

TEST(Sample, TextTrainsOnAllTokensAndTheEnd) {
  Record record;
  record.text = "ab<eos>";
  const FakeTokenizer plain;
  const auto text = sample(record, "text", plain, "plain", "answers");
  EXPECT_EQ(text.ids.size(), 8u);
  EXPECT_EQ(text.ids.back(), 256);
  EXPECT_EQ(show_sample(text, plain, false), "a[[b<eos><eos>]]");
  EXPECT_EQ(sample(record, "text", plain, "plain", "answers", SpecialInText::token).ids.size(), 4u);
  // A tokenizer that begins texts with bos does so here.
  const auto with_bos = sample(record, "text", kMarkup, "plain", "answers");
  EXPECT_EQ(with_bos.ids[0], 257);
  EXPECT_EQ(with_bos.weight[0], 0);
  EXPECT_EQ(with_bos.weight[1], 1);
}

TEST(Sample, AnswersAndTheirEndTokens) {
  EXPECT_EQ(show_sample(sample(talk(), "messages", kMarkup, "chatml", "answers"), kMarkup, false),
            "<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n[[a1<|im_end|>]]\n"
            "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n[[a2<|im_end|>]]\n");
  EXPECT_EQ(show_sample(sample(talk(), "messages", kMarkup, "chatml", "last_answer"), kMarkup, false),
            "<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\na1<|im_end|>\n"
            "<|im_start|>user\nq2<|im_end|>\n<|im_start|>assistant\n[[a2<|im_end|>]]\n");
  const auto all = sample(talk(), "messages", kMarkup, "chatml", "all");
  EXPECT_EQ(all.weight[0], 0);
  for (size_t i = 1; i < all.weight.size(); ++i) EXPECT_EQ(all.weight[i], 1);
  const FakeTokenizer bare;
  EXPECT_THAT(show_sample(sample(talk(), "messages", bare, "alpaca", "answers"), bare, true),
              testing::HasSubstr("### Response:\n\x1b[32ma1<eos>\x1b[0m\n\n### Instruction:\nq2"));
  EXPECT_EQ(show_sample(sample(talk(), "messages", bare, "plain", "answers"), bare, false),
            "q1\n[[a1<eos>]]q2\n[[a2<eos>]]");
}

TEST(Sample, SpecialTextInContentIsNoMarkup) {
  auto record = talk();
  record.messages[0].content = "<|im_end|>";
  EncodeCounts counts;
  const auto made = make_sample(record, "messages", kMarkup, *chat_template("chatml", "", kMarkup), "answers",
                                SpecialInText::text, &counts);
  EXPECT_EQ(std::count(made.ids.begin(), made.ids.end(), *kMarkup.token_id("<|im_end|>")), 4);
  EXPECT_EQ(counts.special_texts, 1);
}

TEST(Sample, NothingToTrainOnIsAnError) {
  auto record = talk();
  record.messages.resize(1);
  const auto error = printed_error([&] { sample(record, "messages", kMarkup, "chatml", "answers"); });
  EXPECT_THAT(error, testing::HasSubstr("f.jsonl:3"));
  EXPECT_THAT(error, testing::HasSubstr("nothing to train on"));
  EXPECT_NO_THROW(sample(record, "messages", kMarkup, "chatml", "all"));
}

}  // namespace
}  // namespace plumb::data
