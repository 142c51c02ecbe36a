// The `pre_tokenizer` of a tokenizer.json in its fast form (has_fast_form): Split and Digits, and ByteLevel at the end.
#include <string>

#include "data/tokenizer/tokenizer_json.h"

namespace plumb::data {

namespace {

SplitStage read_split(const JsonPlace& place) {
  SplitStage stage;
  stage.behavior = read_split_behavior(place.at("behavior"));
  stage.invert = place.at("invert").boolean();
  const JsonPlace pattern = place.at("pattern");
  if (const auto literal = pattern.find("String")) {  // a regex under this name matches literally: the file is obeyed
    stage.kind = SplitStage::Kind::literal;
    stage.literal = literal->text();
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
  stage.behavior = place.at("individual_digits").boolean() ? SplitBehavior::isolated : SplitBehavior::contiguous;
  return stage;
}

}  // namespace

void read_pre_tokenizer(const JsonPlace& place, PreTokenizer& result) {
  const std::string& type = place.at("type").text();
  if (type == "Sequence") {
    const JsonPlace list = place.at("pretokenizers").array();
    for (size_t i = 0; i < list.size(); ++i) read_pre_tokenizer(list[i], result);
  } else if (type == "ByteLevel") {
    result.add_prefix_space = place.boolean("add_prefix_space", true);
    result.use_regex = place.boolean("use_regex", true);
  } else {
    result.stages.push_back(type == "Split" ? read_split(place) : read_digits(place));
  }
}

}  // namespace plumb::data
