// The added tokens and the post-processor of a tokenizer.json.
#include <unordered_map>

#include "data/tokenizer/tokenizer_json.h"

namespace plumb::data {

// `tokenizers` gives an added token the id that its text has in the vocabulary, else the next free one, whatever the
// file says; so do we, for its ids are what models were trained with.
std::vector<AddedToken> read_added_tokens(const JsonPlace& list, const IdOf& id_of, int64_t entries) {
  list.array();
  std::vector<AddedToken> added;
  std::unordered_map<std::string, size_t> known;
  int64_t next = entries;
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonPlace place = list[i];
    AddedToken token;
    token.content = place.at("content").text();
    token.special = place.boolean("special", false);
    token.single_word = place.boolean("single_word", false);
    token.lstrip = place.boolean("lstrip", false);
    token.rstrip = place.boolean("rstrip", false);
    token.normalized = place.boolean("normalized", !token.special);
    place.at("id").integer(0, INT32_MAX);
    if (token.content.empty()) continue;
    if (const auto before = known.find(token.content); before != known.end()) {
      AddedToken& earlier = added[before->second];  // the last word counts, but what was special stays so
      token.id = earlier.id;
      token.special = token.special || earlier.special;
      earlier = token;
      continue;
    }
    const int32_t id = id_of(token.content);
    if (id < 0 && next > INT32_MAX) place.fail("expected fewer tokens than ids");
    token.id = static_cast<int32_t>(id >= 0 ? id : next++);
    known.emplace(token.content, added.size());
    added.push_back(std::move(token));
  }
  return added;
}

namespace {

using Has = std::function<bool(int32_t)>;

int32_t known_id(const JsonPlace& id, const Has& has) {
  const auto value = static_cast<int32_t>(id.integer(0, INT32_MAX));
  if (!has(value)) id.expected("the id of a token");
  return value;
}

void read_template(const JsonPlace& place, const Has& has, Surroundings& around) {
  const JsonPlace single = place.at("single").array();
  std::vector<int32_t> prefix, suffix;
  int sequences = 0;
  for (size_t i = 0; i < single.size(); ++i) {
    if (const auto sequence = single[i].find("Sequence")) {
      if (sequence->text("id", "A") != "A") sequence->fail("expected the sequence A in a template of one text");
      ++sequences;
      continue;
    }
    const std::string& name = single[i].at("SpecialToken").at("id").text();
    const JsonPlace ids = place.at("special_tokens").at(name).at("ids").array();
    for (size_t k = 0; k < ids.size(); ++k) (sequences ? suffix : prefix).push_back(known_id(ids[k], has));
  }
  if (sequences != 1) single.fail(fmt::format("expected one Sequence, found {}", sequences));
  around.prefix.insert(around.prefix.begin(), prefix.begin(), prefix.end());
  around.suffix.insert(around.suffix.end(), suffix.begin(), suffix.end());
}

}  // namespace

void read_post_processor(const JsonPlace& place, const Has& has, Surroundings& around) {
  const std::string& type = place.at("type").text();
  if (type == "ByteLevel") return;  // moves offsets, no ids
  if (type == "Sequence") {
    const JsonPlace list = place.at("processors").array();
    for (size_t i = 0; i < list.size(); ++i) read_post_processor(list[i], has, around);
  } else if (type == "TemplateProcessing") {
    read_template(place, has, around);
  } else if (type == "RobertaProcessing" || type == "BertProcessing") {
    const JsonPlace first = place.at("cls"), last = place.at("sep");
    for (const JsonPlace& pair : {first, last})
      if (!pair.value().is_array() || pair.size() != 2) pair.expected("a token and its id");
    around.prefix.insert(around.prefix.begin(), known_id(first[1], has));
    around.suffix.push_back(known_id(last[1], has));
  } else {
    place.fail(fmt::format("post_processor {} is not known", type), "the kinds of PyPI `tokenizers` 0.23 are read");
  }
}

}  // namespace plumb::data
