// plumb data lineage
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "trainer/commands/arguments.h"
#include "trainer/jobs/jobs.h"
#include "trainer/run/lineage.h"

namespace plumb::commands {

namespace {

using run::Lineage;
using json = nlohmann::ordered_json;

constexpr size_t kMostLines = 200;

std::string tokens_of(const Lineage::Piece& piece) {
  return piece.begin == 0 && piece.end == piece.tokens
             ? fmt::format("all {}", core::with_commas(piece.tokens))
             : fmt::format("{} to {} of {}", core::with_commas(piece.begin), core::with_commas(piece.end - 1),
                           core::with_commas(piece.tokens));
}

json to_json(int64_t step, const Lineage::Piece& piece) {
  return {{"step", step},
          {"sequence", piece.position},
          {"epoch", piece.epoch},
          {"part", piece.part},
          {"id", fmt::format("{:016x}", piece.id)},
          {"source", piece.source},
          {"where", piece.where},
          {"begin", piece.begin},
          {"end", piece.end},
          {"tokens", piece.tokens}};
}

// Columns as wide as their widest cell; numbers are not told apart, so that a line can be cut by its columns.
void print_table(const std::vector<std::vector<std::string>>& lines) {
  std::vector<size_t> width(lines[0].size());
  for (const auto& line : lines) {
    for (size_t c = 0; c < line.size(); ++c) width[c] = std::max(width[c], line[c].size());
  }
  for (const auto& line : lines) {
    std::string out;
    for (size_t c = 0; c < line.size(); ++c) out += fmt::format("{:<{}}", line[c], width[c] + 2);
    std::cout << out.substr(0, out.find_last_not_of(' ') + 1) << "\n";
  }
}

void print_readings(const std::vector<Lineage::Reading>& readings) {
  std::vector<std::vector<std::string>> lines = {
      {"step", "sequence", "epoch", "part", "document", "source", "where", "tokens"}};
  for (size_t i = 0; i < std::min(readings.size(), kMostLines); ++i) {
    const auto& [step, piece] = readings[i];
    lines.push_back({core::with_commas(step), core::with_commas(static_cast<int64_t>(piece.position)),
                     std::to_string(piece.epoch + 1), piece.part, fmt::format("{:016x}", piece.id), piece.source,
                     piece.where, tokens_of(piece)});
  }
  print_table(lines);
  if (readings.size() > kMostLines) {
    std::cout << fmt::format("... {} more; --json FILE has all\n",
                             core::with_commas(static_cast<int64_t>(readings.size() - kMostLines)));
  }
}

// Every document once: its tokens as they lie in the dataset, hashed again.
void print_verified(const Lineage& lineage, const std::vector<Lineage::Reading>& readings) {
  std::set<std::pair<std::string, int64_t>> seen;
  int64_t documents = 0, texts = 0;
  for (const auto& [step, piece] : readings) {
    if (!seen.emplace(piece.part, piece.document).second) continue;
    ++documents, texts += lineage.verify(piece);
  }
  std::cout << fmt::format(
      "verified  {} {}: their tokens hash to what was stored with them; {} decode to the "
      "text of their id",
      core::with_commas(documents), documents == 1 ? "document" : "documents", core::with_commas(texts));
  if (texts < documents) std::cout << " (a conversation, a normalised or a cut text does not)";
  std::cout << "\n";
}

}  // namespace

int data_lineage(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb data lineage RUN --step K | --doc ID [--json FILE]",
      "Which documents a step read, or which steps read a document, up to the newest checkpoint. Computed again from\n"
      "the order that the checkpoint names; the datasets are verified on the way, and the tokens hashed again.",
      {{"step", "K", "the documents of step K (the first is 1)"},
       {"doc", "ID", "the steps of a document: its id (16 hex digits) or file:line"},
       {"json", "FILE", "also writes all of it as JSON lines"}},
      1, 1);
  if (arguments.help) return 0;
  const std::string document = arguments.get("doc", "");
  const int64_t step = arguments.integer("step", 0, 1);
  if ((step == 0) == document.empty()) {
    fail_input("command line", "expected --step K or --doc ID, one of them", "plumb data lineage RUN --step 1");
  }
  const auto lineage = Lineage::open(arguments.positional[0]);
  std::vector<Lineage::Reading> readings;
  if (step > 0) {
    for (auto& piece : lineage.documents_of(step)) readings.push_back({step, std::move(piece)});
  } else {
    readings = lineage.steps_of(document);
  }
  if (readings.empty()) {
    std::cout << fmt::format("document {} was not read in {}\n", document, core::counted(lineage.steps(), "steps"));
    return 0;
  }
  print_readings(readings);
  print_verified(lineage, readings);
  if (const auto file = arguments.get("json", ""); !file.empty()) {
    std::string lines;
    for (const auto& [at, piece] : readings) lines += to_json(at, piece).dump() + "\n";
    core::write_text(file, lines);
  }
  return 0;
}

}  // namespace plumb::commands
