// plumb_clean_driver [data.clean.KEY=VALUE ...] < lines > lines
//
// One JSON object a line. {"text", "language", "words": {text: [word ...]}, "sentences": {text: [sentence ...]}} is
// judged with these words and sentences; a text that is asked for and not given ends the program. Without "words" our
// own splitter is used; {"text", "whole": true} goes through everything (repair, language, rules).
// Answer: {"kept", "rule", "text", "lines_removed", "repairs", "language"}.
// {"bench": SECONDS, "texts": [...]}: judges the texts again and again; answers {"bytes", "seconds"} of processor time.
// With "words" and "sentences" beside it these are looked up before the clock starts.
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "core/config/load.h"
#include "core/error.h"
#include "data/clean/cleaner.h"
#include "data/clean/segmenter.h"

namespace plumb::data {
namespace {

using nlohmann::ordered_json;

config::CleanSection settings(int argc, char** argv) {
  std::vector<std::string> words = {"model.preset=smollm-135m",     "tokenizer.type=bytes",
                                    "data.sources=[{path: x.txt}]", "train.steps=1",
                                    "train.global_batch_size=1",    "train.learning_rate=1e-3"};
  words.insert(words.end(), argv + 1, argv + argc);
  return config::load_config("", words, config::Purpose::train).config.data.clean;
}

using Spans = std::unordered_map<std::string, std::vector<TextSpan>>;

// Where the pieces stand in their text, one after the other.
Spans find_spans(const ordered_json& pieces_of) {
  Spans all;
  for (const auto& [text, pieces] : pieces_of.items()) {
    std::vector<TextSpan> spans;
    size_t at = 0;
    for (const auto& piece : pieces) {
      const auto& words = piece.get_ref<const std::string&>();
      const size_t begin = text.find(words, at);
      if (begin == std::string::npos) fail_input("driver", "expected a piece of its text, found \"" + words + "\"");
      at = begin + words.size();
      spans.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(at)});
    }
    all.emplace(text, std::move(spans));
  }
  return all;
}

class GivenSegmenter final : public Segmenter {
 public:
  GivenSegmenter(const ordered_json& words, const ordered_json& sentences)
      : words_(find_spans(words)), sentences_(find_spans(sentences)) {}
  void words(std::string_view text, std::vector<TextSpan>& spans) const override {
    look_up(words_, "words", text, spans);
  }
  void sentences(std::string_view text, std::vector<TextSpan>& spans) const override {
    look_up(sentences_, "sentences", text, spans);
  }

 private:
  Spans words_, sentences_;

  static void look_up(const Spans& all, const char* what, std::string_view text, std::vector<TextSpan>& spans) {
    const auto found = all.find(std::string(text));
    if (found == all.end()) fail_input("driver", std::string("no ") + what + " given of: " + std::string(text));
    spans = found->second;
  }
};

std::unique_ptr<Segmenter> segmenter(const ordered_json& line) {
  if (!line.contains("words")) return std::make_unique<UnicodeSegmenter>();
  return std::make_unique<GivenSegmenter>(line.at("words"), line.at("sentences"));
}

ordered_json bench(const Cleaner& cleaner, const ordered_json& line) {
  const auto processor_seconds = [] { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; };
  const auto texts = line.at("texts").get<std::vector<std::string>>();
  const auto language = line.value("language", "en");
  const auto divide = segmenter(line);
  const bool whole = line.value("whole", false);
  CleanCounts counts;
  int64_t bytes = 0;
  const double begin = processor_seconds();
  double seconds = 0;
  do {
    for (std::string text : texts) {
      bytes += static_cast<int64_t>(text.size());
      if (whole)
        cleaner.clean(text, counts);
      else
        cleaner.judge(text, language, *divide, counts);
    }
    seconds = processor_seconds() - begin;
  } while (seconds < line.at("bench").get<double>());
  return {{"bytes", bytes}, {"seconds", seconds}};
}

ordered_json answer(const Cleaner& cleaner, const ordered_json& line) {
  if (line.contains("bench")) return bench(cleaner, line);
  auto text = line.at("text").get<std::string>();
  CleanCounts counts;
  const CleanResult result = line.value("whole", false)
                                 ? cleaner.clean(text, counts)
                                 : cleaner.judge(text, line.value("language", "en"), *segmenter(line), counts);
  return {{"kept", result.kept},
          {"rule", result.rule},
          {"text", text},
          {"lines_removed", counts.lines_removed},
          {"repairs", counts.repairs},
          {"language", result.language}};
}

}  // namespace
}  // namespace plumb::data

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  try {
    const plumb::data::Cleaner cleaner(plumb::data::settings(argc, argv));
    std::string line;
    while (std::getline(std::cin, line))
      std::cout << plumb::data::answer(cleaner, nlohmann::ordered_json::parse(line)).dump() << std::endl;
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
