// Records to tokens with their loss weights: the one place that decides what is trained on.
#include <algorithm>

#include "core/error.h"
#include "core/hash.h"
#include "data/dataset.h"

namespace plumb::data {

namespace {

int32_t require_eos(const Tokenizer& tokenizer) {
  const auto eos = tokenizer.eos();
  if (!eos) fail_input("tokenizer", "has no eos token, so that no document could end", "tokenizer.special_tokens.eos");
  return *eos;
}

void encode(const Record& record, std::string_view text, const Tokenizer& tokenizer, SpecialInText special,
            EncodeCounts* counts, std::vector<int32_t>& ids) {
  try {
    tokenizer.encode(text, ids, special, counts);
  } catch (const Error& error) {
    if (error.code() != ExitCode::bad_input) throw;
    throw TextRefused(error.code(), error.message(), record.where, error.hint());
  }
}

Sample text_sample(const Record& record, const Tokenizer& tokenizer, SpecialInText special, EncodeCounts* counts) {
  Sample sample;
  // A tokenizer whose post-processor begins texts with bos saw it before every document when its model was trained.
  if (const auto bos = tokenizer.bos()) {
    tokenizer.encode_with_specials("", sample.ids);
    sample.ids.resize(!sample.ids.empty() && sample.ids[0] == *bos ? 1 : 0);
  }
  const int32_t eos = require_eos(tokenizer);
  const size_t before = sample.ids.size();
  encode(record, record.text, tokenizer, special, counts, sample.ids);
  if (sample.ids.size() == before) return {};  // characters that its normalizer takes away
  sample.ids.push_back(eos);
  sample.weight.assign(sample.ids.size(), 1.0f);
  return sample;
}

}  // namespace

Sample make_sample(const Record& record, const std::string& format, const Tokenizer& tokenizer,
                   const ChatTemplate& chat, const std::string& loss_on, SpecialInText special, EncodeCounts* counts) {
  Sample sample;
  if (format == "text") {
    sample = text_sample(record, tokenizer, special, counts);
    if (sample.ids.empty()) return sample;
  } else {
    int32_t last_answer = -1;
    for (size_t i = 0; i < record.messages.size(); ++i) {
      if (record.messages[i].role == "assistant") last_answer = static_cast<int32_t>(i);
    }
    for (const auto& segment : chat.render(record.messages, false)) {
      const bool markup = segment.kind == Segment::Kind::markup || segment.kind == Segment::Kind::end;
      const bool answer = segment.kind == Segment::Kind::answer || segment.kind == Segment::Kind::end;
      const bool trained = loss_on == "all" || (answer && (loss_on == "answers" || segment.turn == last_answer));
      encode(record, segment.text, tokenizer, markup ? SpecialInText::token : special, markup ? nullptr : counts,
             sample.ids);
      sample.weight.resize(sample.ids.size(), trained ? 1.0f : 0.0f);
    }
  }
  sample.id = record.id;
  if (!sample.weight.empty()) sample.weight[0] = 0;
  if (std::none_of(sample.weight.begin(), sample.weight.end(), [](float w) { return w > 0; })) {
    fail_input(record.where,
               "found nothing to train on: no " +
                   std::string(format == "text" ? "token after the first" : "assistant turn") +
                   " in this sample (method.loss_on: " + loss_on + ")",
               "take the row out, or method.loss_on: all");
  }
  return sample;
}

uint64_t tokens_hash(const Sample& sample) {
  const uint64_t weights = core::xxh3(std::as_bytes(std::span(sample.weight)));
  return core::xxh3(std::as_bytes(std::span(sample.ids)), weights);
}

}  // namespace plumb::data
