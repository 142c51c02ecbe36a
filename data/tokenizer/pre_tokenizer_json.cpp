// The `pre_tokenizer` of a tokenizer.json.
#include <string>

#include "data/tokenizer/tokenizer_json.h"

namespace plumb::data {

namespace {

SplitStage read_split(const JsonPlace& place) {
  SplitStage stage;
  stage.behavior = read_split_behavior(place.at("behavior"));
  stage.invert = place.boolean("invert", false);
  const JsonPlace pattern = place.at("pattern");
  if (const auto literal = pattern.find("String")) {  // a regex under this name matches literally: the file is obeyed
    stage.kind = SplitStage::Kind::literal;
    stage.literal = literal->text();
    if (stage.literal.empty()) literal->expected("a text");
    return stage;
  }
  const JsonPlace regex = pattern.at("Regex");
  stage.scanner = scanner_for(regex.text());
  if (stage.scanner == Scanner::none) {
    stage.kind = SplitStage::Kind::regex;
    stage.regex = std::make_shared<const Pattern>(regex.text(), regex.where());
  }
  return stage;
}

SplitStage read_digits(const JsonPlace& place) {
  SplitStage stage;
  stage.kind = SplitStage::Kind::digits;
  stage.behavior = place.boolean("individual_digits", false) ? SplitBehavior::isolated : SplitBehavior::contiguous;
  return stage;
}

void read_stage(const JsonPlace& place, PreTokenizer& result, bool& closed) {
  const std::string& type = place.at("type").text();
  if (closed) place.fail(fmt::format("pre_tokenizer {} behind ByteLevel is not supported", type));
  if (type == "Sequence") {
    const JsonPlace list = place.at("pretokenizers");
    list.array();
    for (size_t i = 0; i < list.size(); ++i) read_stage(list[i], result, closed);
  } else if (type == "ByteLevel") {
    result.add_prefix_space = place.boolean("add_prefix_space", true);
    result.use_regex = place.boolean("use_regex", true);
    closed = true;
  } else if (type == "Split") {
    result.stages.push_back(read_split(place));
  } else if (type == "Digits") {
    result.stages.push_back(read_digits(place));
  } else {
    place.fail(fmt::format("pre_tokenizer {} is not supported{}", type,
                           type == "Metaspace" ? " (Llama-2 and other SentencePiece tokenizers)" : ""),
               "this version reads ByteLevel, Split, Digits and Sequence");
  }
}

}  // namespace

void read_pre_tokenizer(const JsonPlace& place, PreTokenizer& result) {
  bool closed = false;
  read_stage(place, result, closed);
  if (!closed)
    place.fail("expected ByteLevel as the last pre_tokenizer, found none", "this version reads byte-level BPE");
}

}  // namespace plumb::data
