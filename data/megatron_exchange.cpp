// A dataset folder from Megatron's files, and back.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"
#include "data/build/counts.h"
#include "data/megatron.h"
#include "data/shards/build_folder.h"
#include "data/shards/reader.h"
#include "data/shards/writer.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr int64_t kMostDocumentTokens = (int64_t{1} << 32) - 1;
constexpr int64_t kPiece = int64_t{1} << 20;  // tokens of a document that are in memory at a time

void check_new(const fs::path& path) {
  if (fs::exists(path)) fail_input(path, "exists already", "nothing is overwritten: choose another name");
}

// Content hash of (source name, ids), as a document that is read as text has one of (source name, text).
uint64_t document_id(const std::vector<int32_t>& ids, uint64_t source) {
  return core::xxh3(std::as_bytes(std::span(ids)), source);
}

MegatronReport copy_documents(const MegatronReader& reader, const Tokenizer& tokenizer, uint64_t source,
                              bool split_long, int64_t sequence_length, StreamWriter& writer, BuildReport& counts,
                              Shape& shape, const Progress& progress) {
  MegatronReport report;
  Sample sample;
  for (int64_t d = 0; d < reader.documents(); ++d) {
    if (reader.document_tokens(d) > kMostDocumentTokens) {
      fail_input("import", fmt::format("document {} has {} tokens, a dataset holds up to {} in one", d,
                                       reader.document_tokens(d), kMostDocumentTokens));
    }
    reader.read(d, tokenizer.vocab_size(), sample.ids);
    ++counts.documents;
    const auto length = static_cast<int64_t>(sample.ids.size());
    if (length < 2) {  // nothing to predict
      ++report.empty, ++counts.empty;
      continue;
    }
    sample.weight.assign(sample.ids.size(), 1.0f), sample.weight[0] = 0;
    sample.id = document_id(sample.ids, source);
    report.without_end += tokenizer.eos() && sample.ids.back() != *tokenizer.eos();
    const bool split = split_long && length > sequence_length;
    writer.add(sample, {0, static_cast<uint64_t>(d) + 1, 0}, split);
    ++counts.kept, counts.split += split, counts.tokens += length, counts.trained_tokens += length - 1;
    counts.ledger.keep(sample.weight);
    shape.add("", "", "", 0, length);
    if (progress && d % 1024 == 0) progress({"importing", d, reader.documents(), "documents", ""});
  }
  report.documents = counts.kept, report.tokens = counts.tokens;
  return report;
}

}  // namespace

MegatronReport import_megatron(const std::string& prefix, const fs::path& folder, const Tokenizer& tokenizer,
                               int64_t sequence_length, const std::string& packing, const Progress& progress) {
  if (packing != "concat" && packing != "best_fit" && packing != "none") {
    fail_input("--packing", "expected one of concat best_fit none, found \"" + packing + "\"");
  }
  if (sequence_length < 2 || sequence_length > int64_t{1} << 30) {
    fail_input("--sequence-length", fmt::format("expected 2 to 1073741824, found {}", sequence_length));
  }
  check_new(folder);
  const MegatronReader reader(prefix);
  fs::path target = fs::absolute(folder).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // typed with a slash at its end
  const std::string name = fs::path(megatron_prefix(prefix)).filename().string();
  const BuildFolder building(target, [] {});
  StreamWriter writer(building.temporary(),
                      {0, tokenizer.vocab_size(), sequence_length, packing, tokenizer.digest(), false});
  BuildReport counts;
  Shape shape;
  const auto report = copy_documents(reader, tokenizer, core::xxh3(name), packing != "concat", sequence_length, writer,
                                     counts, shape, progress);
  shape.bytes = {};  // of text, which nobody has seen
  writer.finish();
  if (counts.kept == 0) fail_input(prefix, fmt::format("no sequence came out of {} documents", reader.documents()));
  const bool concat = packing == "concat";
  const int64_t rows = concat ? concat_rows(static_cast<uint64_t>(counts.tokens), sequence_length) : writer.rows();
  counts.ledger.positions = rows * sequence_length;
  counts.ledger.padding = counts.ledger.positions - (concat ? counts.tokens - 1 : writer.positions());
  const fs::path bin = megatron_prefix(prefix) + ".bin";
  const json source{{"name", name}, {"format", "text"}};
  json told{
      {"name", name}, {"format", "text"}, {"synthetic", false}, {"files", 1}, {"bytes_on_disk", fs::file_size(bin)}};
  told.update(counts.json());
  told.erase("held_out_by"), told.erase("first_malformed");
  const json file{{"source", name},
                  {"name", bin.filename().string()},
                  {"bytes", fs::file_size(bin)},
                  {"sha256", core::sha256_file(bin)}};
  json account{{"format", "plumb-report-1"},
               {"part", "all"},
               {"imported", "megatron"},
               {"totals", counts.json()},
               {"sequence_length", sequence_length},
               {"packing", packing},
               {"tokenizer", {{"digest", tokenizer.digest()}, {"vocab_size", tokenizer.vocab_size()}}},
               {"rules", json::object()},
               {"sources", {told}},
               {"duplicates", {{"exact", 0}, {"near", 0}, {"repeated", 0}}}};
  account.update(report_sections({}, shape));
  constexpr auto replace = json::error_handler_t::replace;
  const auto add_file = [&](const std::string& file_name, const std::string& text) {
    writer.files().push_back(write_hashed(building.temporary(), file_name, text));
  };
  add_file("sources.jsonl", file.dump(-1, ' ', false, replace) + "\n");
  add_file("report.json", account.dump(-1, ' ', false, replace) + "\n");
  add_file("quarantine.jsonl", "");
  for (const auto& [file_name, text] : tokenizer_files(tokenizer)) add_file(file_name, text);
  json content{{"version", kDatasetVersion},
               {"tokenizer_digest", tokenizer.digest()},
               {"sequence_length", sequence_length},
               {"packing", packing},
               {"imported", "megatron"},
               {"sources", {source}},
               {"vocab_size", tokenizer.vocab_size()},
               {"token_bytes", token_width(tokenizer.vocab_size())},
               {"weights", false},
               {"report", counts.json()}};
  write_manifest(building.temporary(), std::move(content), writer.parts(), writer.files());
  building.commit();
  return report;
}

MegatronReport export_megatron(const Dataset& dataset, const std::string& typed, int64_t vocab_size,
                               const Progress& progress) {
  const auto prefix = megatron_prefix(typed);
  check_new(prefix + ".bin");
  check_new(prefix + ".idx");
  if (const auto parent = fs::absolute(prefix).parent_path(); !fs::is_directory(parent)) {
    fail_input(parent, "there is no such folder to write " + fs::path(prefix).filename().string() + ".bin into",
               "mkdir -p " + parent.string());
  }
  MegatronReport report;
  MegatronWriter writer(prefix, vocab_size);
  std::vector<int32_t> ids;
  std::vector<float> weights;
  for (int64_t d = 0; d < dataset.documents(); ++d) {
    writer.begin_document();
    const int64_t length = dataset.document_tokens(d);
    for (int64_t at = 0; at < length; at += kPiece) {
      ids.resize(static_cast<size_t>(std::min(kPiece, length - at))), weights.resize(ids.size());
      dataset.read(d, at, ids, weights);
      writer.add(ids);
      for (size_t i = at == 0; i < weights.size(); ++i) report.masked += weights[i] == 0;
    }
    ++report.documents, report.tokens += length;
    if (progress && d % 1024 == 0) progress({"exporting", d, dataset.documents(), "documents", ""});
  }
  writer.finish();
  return report;
}

}  // namespace plumb::data
