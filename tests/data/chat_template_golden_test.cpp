// Renders for tests/oracle/test_chat_template.py, which compares them with transformers' apply_chat_template.
// TEST_GOLDEN names the file to write; TEST_TEMPLATES a folder of published templates (*.jinja) to recognise as well.
#include <cstdlib>

#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

using nlohmann::json;

const std::vector<std::vector<Message>> kConversations{
    {{"user", "Hello"}},
    {{"user", "Hello"}, {"assistant", "Hi there."}},
    {{"system", "Be brief."}, {"user", "Why?"}, {"assistant", "Because."}, {"user", "Truly?"}, {"assistant", "Yes."}},
    {{"system", "  \n padded \t"},
     {"user", "\xC2\xA0\xE3\x80\x80 no-break \xE2\x80\x83"},
     {"assistant", " \x1c trailing\v \n"}},
    {{"user", "\xED\x95\x9C\xEA\xB5\xAD\xEC\x96\xB4 \xF0\x9F\x99\x82"},
     {"assistant", "<|eot_id|> {{ not jinja }} 'quote' \\n"}},
    {{"user", ""}, {"assistant", ""}},
    {{"user", "one"}, {"user", "two"}, {"assistant", "three"}, {"system", "late"}, {"assistant", "four"}},
    {{"user", "Translate.", "guten Tag"}, {"assistant", "good day"}, {"user", "And this?", "danke"}},
    {{"system", "S"}, {"user", "Q", "C"}, {"assistant", "A"}},
};

json render_all(const ChatTemplate& chat) {
  json cases = json::array();
  for (const auto& conversation : kConversations) {
    for (const bool generation : {false, true}) {
      json messages = json::array();
      for (const auto& m : conversation) {
        messages.push_back({{"role", m.role}, {"content", m.content}});
        const bool has_place = chat.name() == "alpaca" || chat.name() == "dolly" || chat.name() == "plain";
        if (m.context.empty()) continue;
        if (has_place)
          messages.back()["context"] = m.context;
        else
          messages.back()["content"] = m.content + "\n\n" + m.context;
      }
      std::string text;
      for (const auto& segment : chat.render(conversation, generation)) text += segment.text;
      cases.push_back({{"messages", messages}, {"add_generation_prompt", generation}, {"text", text}});
    }
  }
  return cases;
}

TEST(ChatTemplateGolden, WritesRenders) {
  json golden = json::array();
  const auto add = [&](const std::string& name, const std::string& base, const Tokenizer& tokenizer) {
    const auto chat = chat_template(name, base, tokenizer);
    golden.push_back({{"name", chat->name()},
                      {"jinja", chat->jinja()},
                      {"base", base},
                      {"bos_token", tokenizer.bos() ? tokenizer.token_bytes(*tokenizer.bos()) : ""},
                      {"eos_token", tokenizer.token_bytes(*tokenizer.eos())},
                      {"cases", render_all(*chat)}});
  };
  const FakeTokenizer bare, full("<|begin_of_text|>", {"<|im_start|>", "<|im_end|>", "<|start_header_id|>",
                                                       "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>"});
  for (const char* name : {"alpaca", "dolly", "plain"}) add(name, "", bare), add(name, "", full);
  for (const char* name : {"chatml", "llama3", "llama3.1"}) add(name, "", full);
  if (const char* folder = std::getenv("TEST_TEMPLATES")) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".jinja") continue;
      std::ifstream in(entry.path(), std::ios::binary);
      add("auto", {std::istreambuf_iterator<char>(in), {}}, full);
    }
  }
  ASSERT_GE(golden.size(), 9u);
  for (const auto& entry : golden) {
    EXPECT_EQ(entry["cases"].size(), 2 * kConversations.size());
    EXPECT_EQ(
        chat_template("auto", entry["jinja"], entry["bos_token"] == "" ? static_cast<const Tokenizer&>(bare) : full)
            ->name(),
        entry["name"]);
  }
  if (const char* file = std::getenv("TEST_GOLDEN")) std::ofstream(file) << golden.dump();
}

}  // namespace
}  // namespace plumb::data
