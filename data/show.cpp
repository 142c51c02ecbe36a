#include "data/show.h"

#include <fmt/format.h>

#include "core/log.h"

namespace plumb::data {

namespace {

// Control characters (but newline and tab) must not reach a terminal as they are.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 32 && c != '\n' && c != '\t') || byte == 127)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  return out;
}

// Tokens of one kind in a row are decoded together, so that characters made of several tokens stay whole.
std::string show(std::span<const int32_t> ids, const std::vector<bool>& trained, const Tokenizer& tokenizer,
                 bool colours) {
  std::string out;
  for (size_t begin = 0, end = 0; begin < ids.size(); begin = end) {
    while (end < ids.size() && trained[end] == trained[begin]) ++end;
    const std::string text = printable(tokenizer.decode(ids.subspan(begin, end - begin)));
    if (!trained[begin])
      out += text;
    else
      out += colours ? "\x1b[32m" + text + "\x1b[0m" : "[[" + text + "]]";
  }
  return out;
}

}  // namespace

std::string show_sample(const Sample& sample, const Tokenizer& tokenizer, bool colours) {
  std::vector<bool> trained(sample.ids.size());
  for (size_t i = 0; i < trained.size(); ++i) trained[i] = sample.weight[i] > 0;
  return show(sample.ids, trained, tokenizer, colours);
}

std::string show_row(const Batch& batch, int64_t row, const Tokenizer& tokenizer, bool colours) {
  std::string out;
  const int64_t first = row * batch.sequence_length, last = first + batch.sequence_length;
  for (size_t d = 0; d + 1 < batch.doc_offsets.size(); ++d) {
    const int64_t begin = batch.doc_offsets[d], end = batch.doc_offsets[d + 1];
    if (begin < first || begin >= last) continue;
    if (batch.sample_ids[d] == ~uint64_t{0}) {
      out += fmt::format("---- {} positions of padding\n", end - begin);
      continue;
    }
    const std::span<const int32_t> ids(batch.ids.data() + begin, static_cast<size_t>(end - begin));
    // A token is shown as trained where the position before it has it as label.
    std::vector<bool> trained(ids.size(), false);
    for (int64_t t = begin; t + 1 < end; ++t) {
      trained[static_cast<size_t>(t + 1 - begin)] = batch.loss_weight[static_cast<size_t>(t)] > 0;
    }
    const bool goes_on = batch.loss_weight[static_cast<size_t>(end - 1)] > 0;
    out += fmt::format("---- document {:016x}, {} tokens{}\n", batch.sample_ids[d], end - begin,
                       goes_on ? ", goes on in another row" : "");
    out += show(ids, trained, tokenizer, colours) + "\n";
  }
  return out;
}

std::string show_left_out(const Dataset& dataset) {
  const auto report = dataset.report();
  std::string counts, where;
  const auto folder = dataset.folder().string();
  if (report.malformed > 0) {
    counts = core::with_commas(report.malformed) + " malformed";
    where = folder + "/quarantine.jsonl and ";
  }
  if (report.empty > 0) {
    // Of a conversation it is the answers that count: without one there is nothing to learn from.
    counts += (counts.empty() ? "" : " and ") + core::with_commas(report.empty) + " empty (no text or no answer)";
  }
  if (counts.empty()) return "";
  const auto first = report.first_malformed.empty() ? "" : "; first " + report.first_malformed[0];
  return fmt::format("{} of {}: see {}`plumb data report {}`{}", counts, core::counted(report.documents, "documents"),
                     where, folder, first);
}

}  // namespace plumb::data
