#include "data/chat_template.h"

#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

const std::vector<std::string> kMarkup{"<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>",
                                       "<|eot_id|>"};
FakeTokenizer tokenizer() { return FakeTokenizer("<|begin_of_text|>", kMarkup); }

std::string text(const std::vector<Segment>& segments) {
  std::string out;
  for (const auto& segment : segments) out += segment.text;
  return out;
}

const std::vector<Message> kTalk{{"system", "S"}, {"user", " U "}, {"assistant", "A"}};

TEST(ChatTemplate, RendersAsItsFamilyDoes) {
  const auto tokens = tokenizer();
  EXPECT_EQ(text(chat_template("chatml", "", tokens)->render(kTalk, false)),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n U <|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n");
  EXPECT_EQ(text(chat_template("llama3", "", tokens)->render({kTalk[1]}, true)),
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n");
  EXPECT_EQ(text(chat_template("llama3.1", "", tokens)->render({kTalk[1]}, false)),
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n"
            "Today Date: 26 Jul 2024\n\n<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|>");
  const FakeTokenizer bare;
  EXPECT_EQ(
      text(chat_template("alpaca", "", bare)->render({{"user", "I", "X"}, {"assistant", "A"}}, false)),
      "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
      "response that appropriately completes the request.\n\n### Instruction:\nI\n\n### Input:\nX\n\n"
      "### Response:\nA<eos>");
  EXPECT_EQ(text(chat_template("dolly", "", bare)->render({{"user", "I", "X"}}, true)),
            "Below is an instruction that describes a task. Write a response that appropriately completes the request."
            "\n\n### Instruction:\nI\n\nInput:\nX\n\n### Response:\n");
  EXPECT_EQ(text(chat_template("plain", "", bare)->render(kTalk, false)), "S\n U \nA<eos>");
  EXPECT_EQ(text(chat_template("plain", "", tokens)->render({kTalk[1]}, false)), "<|begin_of_text|> U \n");
}

TEST(ChatTemplate, EveryAnswerEndsWithAnEndSegment) {
  const auto tokens = tokenizer();
  const std::vector<Message> talk{{"user", "a"}, {"assistant", "b"}, {"user", "c"}, {"assistant", "d"}};
  for (const char* name : {"chatml", "llama3", "llama3.1", "alpaca", "dolly", "plain"}) {
    const auto segments = chat_template(name, "", tokens)->render(talk, false);
    int ends = 0;
    for (size_t i = 0; i < segments.size(); ++i) {
      if (segments[i].kind != Segment::Kind::answer) continue;
      ASSERT_LT(i + 1, segments.size());
      EXPECT_EQ(segments[i + 1].kind, Segment::Kind::end) << name;
      EXPECT_EQ(segments[i + 1].turn, segments[i].turn);
      ++ends;
    }
    EXPECT_EQ(ends, 2) << name;
  }
}

TEST(ChatTemplate, AutoRecognisesItsOwnTextsAndPublishedOnes) {
  const auto tokens = tokenizer();
  for (const char* name : {"chatml", "llama3", "llama3.1", "alpaca", "dolly", "plain"}) {
    const auto made = chat_template(name, "", tokens);
    EXPECT_EQ(chat_template("auto", made->jinja() + "\n", tokens)->name(), name);
  }
  EXPECT_EQ(chat_template("auto", "", tokens)->name(), "plain");
  // As tokenizer_config.json files of ChatML models have it.
  const std::string chatml =
      "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
      "'\n'}}"
      "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
  EXPECT_EQ(chat_template("auto", chatml, tokens)->name(), "chatml");
  EXPECT_EQ(chat_template("auto", chatml, tokens)->jinja(), chatml);
  const std::string error = printed_error([&] { chat_template("auto", "{{ 'something else' }}", tokens); });
  EXPECT_THAT(error, testing::HasSubstr("not in the table"));
  EXPECT_THAT(error, testing::HasSubstr("Llama 3.1, Llama 3.2, Llama 3, ChatML, plumb's own"));
  EXPECT_THAT(error, testing::HasSubstr("chatml llama3 alpaca dolly plain"));
}

TEST(ChatTemplate, MissingTokensAndUnknownNamesAreErrors) {
  const FakeTokenizer bare;
  EXPECT_THAT(printed_error([&] { chat_template("llama3", "", bare); }), testing::HasSubstr("<|eot_id|>"));
  EXPECT_THAT(printed_error([&] { chat_template("chatml", "", bare); }), testing::HasSubstr("<|im_start|>"));
  EXPECT_THAT(printed_error([&] { chat_template("vicuna", "", bare); }), testing::HasSubstr("unknown template"));
}

}  // namespace
}  // namespace plumb::data
