#include "data/shards/manifest.h"

#include <array>

#include "core/error.h"
#include "core/json.h"
#include "data/packing.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;
const std::string kFormat = "plumb-dataset-" + std::to_string(kDatasetVersion);
constexpr uint64_t kLargestManifest = uint64_t{512} << 20;
constexpr const char* kAgain = "remove the dataset's folder and build it again";

// Typed look-ups that answer with the file and key.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {}
  const json& at(const char* key, json::value_t type) const {
    if (!object_.is_object() || !object_.contains(key) || object_[key].type() != type) {
      fail_input(where_, std::string("key \"") + key + "\" is missing or of another type");
    }
    return object_[key];
  }
  std::string text(const char* key) const { return at(key, json::value_t::string).get<std::string>(); }
  uint64_t count(const char* key) const { return bounded(at(key, json::value_t::number_unsigned), key); }
  bool flag(const char* key) const { return at(key, json::value_t::boolean).get<bool>(); }
  // A row of a table: `width` cells of which the first `texts` are texts and the others counts.
  const json& row(const json& value, size_t width, size_t texts) const {
    bool fits = value.is_array() && value.size() == width;
    for (size_t i = 0; fits && i < width; ++i) fits = i < texts ? value[i].is_string() : value[i].is_number_unsigned();
    if (!fits) fail_input(where_, "a row of a table has another form than builds write");
    return value;
  }
  uint64_t bounded(const json& value, const std::string& name) const {
    const auto count = value.get<uint64_t>();
    if (count > (uint64_t{1} << 60)) fail_input(where_, "\"" + name + "\" is too large");
    return count;
  }

 private:
  const json& object_;
  std::string where_;
};

template <class Report>
auto counts_of(Report& report) {
  using Pair = std::pair<const char*, decltype(&report.documents)>;
  return std::array<Pair, 16>{{{"documents", &report.documents},
                               {"kept", &report.kept},
                               {"held_out", &report.held_out},
                               {"malformed", &report.malformed},
                               {"filtered", &report.filtered},
                               {"personal", &report.personal},
                               {"contaminated", &report.contaminated},
                               {"duplicates", &report.duplicates},
                               {"empty", &report.empty},
                               {"too_long", &report.too_long},
                               {"split", &report.split},
                               {"bytes", &report.bytes},
                               {"tokens", &report.tokens},
                               {"trained_tokens", &report.trained_tokens},
                               {"special_texts", &report.special_texts},
                               {"invalid_utf8", &report.invalid_utf8}}};
}

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

// One leaf for all that is said, one for each file; the leaf of a file holds the root over its blocks.
std::string digest_of(const json& content) {
  json said = content;
  said.erase("files");
  MerkleTree tree;
  tree.add(dump(said));
  for (const auto& file : content["files"]) tree.add(dump(file));
  return tree.root();
}

void check_counts(const Manifest& manifest, const std::filesystem::path& path) {
  const bool packing = manifest.packing == "concat" || manifest.packing == "best_fit" || manifest.packing == "none";
  if (!packing || (manifest.token_bytes != 2 && manifest.token_bytes != 4) || manifest.sequence_length < 1 ||
      manifest.sequence_length > (int64_t{1} << 31) || manifest.vocab_size > (int64_t{1} << 31)) {
    fail_input(path, "packing, token_bytes, vocab_size or sequence_length has a value that no build writes");
  }
  uint64_t documents = 0, tokens = 0, rows = 0;
  for (size_t i = 0; i < manifest.parts.size(); ++i) {
    const auto& part = manifest.parts[i];
    if (part.documents == 0 || (i > 0 && part.number <= manifest.parts[i - 1].number)) {
      fail_input(path, "the parts are not in order, or one is empty");
    }
    documents += part.documents, tokens += part.tokens, rows += part.rows;
  }
  if (manifest.packing == "concat") rows = static_cast<uint64_t>(concat_rows(tokens, manifest.sequence_length));
  if (documents != manifest.documents || tokens != manifest.tokens || rows != manifest.rows ||
      documents > (uint64_t{1} << 60) || tokens > (uint64_t{1} << 60)) {
    fail_input(path, "the sums of the parts are not the totals");
  }
}

}  // namespace

BuildReport BuildReport::from_json(const nlohmann::ordered_json& object, const std::string& where) {
  using Type = nlohmann::ordered_json::value_t;
  const Fields fields(object, where);
  BuildReport report;
  for (const auto& [key, value] : counts_of(report)) *value = static_cast<int64_t>(fields.count(key));
  report.held_out_by = fields.text("held_out_by");
  report.ledger = TokenLedger::from_json(fields.at("ledger", Type::object), where);
  for (const auto& line : fields.at("first_malformed", Type::array)) {
    if (line.is_string()) report.first_malformed.push_back(line.get<std::string>());
  }
  if (object.contains("first_invalid_utf8")) report.first_invalid_utf8 = fields.text("first_invalid_utf8");
  return report;
}

json BuildReport::json() const {
  nlohmann::ordered_json object;
  for (const auto& [key, value] : counts_of(*this)) object[key] = *value;
  object["ledger"] = ledger.json();
  object["held_out_by"] = held_out_by;
  object["first_malformed"] = first_malformed;
  if (!first_invalid_utf8.empty()) object["first_invalid_utf8"] = first_invalid_utf8;
  return object;
}

std::string write_manifest(const std::filesystem::path& folder, json content, const std::vector<PartCounts>& parts,
                           const std::vector<HashedFile>& files) {
  PartCounts total;
  content["parts"] = json::array();
  for (const auto& part : parts) {
    content["parts"].push_back({part.number, part.documents, part.tokens, part.rows, part.spans});
    total.documents += part.documents, total.tokens += part.tokens, total.rows += part.rows;
  }
  const auto length = content["sequence_length"].get<int64_t>();
  content["documents"] = total.documents;
  content["tokens"] = total.tokens;
  content["rows"] =
      content["packing"] == "concat" ? static_cast<uint64_t>(concat_rows(total.tokens, length)) : total.rows;
  core::AtomicFile blocks(folder / "blocks.bin");
  core::Sha256 blocks_sha256;
  content["files"] = json::array();
  for (const auto& file : files) {
    const auto bytes = std::as_bytes(std::span(file.blocks));
    blocks.write(bytes);
    blocks_sha256.update(bytes);
    content["files"].push_back({file.name, file.root, file.bytes});
  }
  blocks.commit();
  content["blocks_sha256"] = blocks_sha256.hex();
  content = json::parse(dump(content));  // as a reader will see it: invalid UTF-8 replaced
  const std::string digest = digest_of(content);
  const json manifest{{"format", kFormat}, {"digest", digest}, {"content", std::move(content)}};
  core::write_text(folder / "manifest.json", dump(manifest) + "\n");
  return digest;
}

Manifest read_manifest(const std::filesystem::path& file, const std::filesystem::path& path) {
  if (!std::filesystem::exists(file)) {
    const bool there = std::filesystem::exists(file.parent_path());
    fail_input(path.parent_path(), there ? "expected a dataset, found no manifest.json" : "there is no such folder",
               "plumb data build CFG makes a dataset, and ends with the name of its folder");
  }
  const json whole = core::parse_json_file(file, kLargestManifest);
  const Fields top(whole, path);
  if (top.text("format") != kFormat) {
    fail_input(path, "expected the format " + kFormat + ", found " + top.text("format").substr(0, 40),
               "it was built by another version of plumb: plumb data build CFG builds it again");
  }
  const json& content = top.at("content", json::value_t::object);
  const Fields fields(content, path);
  Manifest manifest;
  manifest.digest = top.text("digest");
  fields.at("files", json::value_t::array);
  if (digest_of(content) != manifest.digest) fail_input(path, "damaged: the digest is not that of the content", kAgain);
  manifest.tokenizer_digest = fields.text("tokenizer_digest");
  manifest.packing = fields.text("packing");
  manifest.sequence_length = static_cast<int64_t>(fields.count("sequence_length"));
  manifest.vocab_size = static_cast<int64_t>(fields.count("vocab_size"));
  manifest.documents = fields.count("documents");
  manifest.rows = fields.count("rows");
  manifest.tokens = fields.count("tokens");
  manifest.token_bytes = static_cast<uint32_t>(fields.count("token_bytes"));
  manifest.weights = fields.flag("weights");
  manifest.blocks_sha256 = fields.text("blocks_sha256");
  manifest.report = BuildReport::from_json(fields.at("report", json::value_t::object), path);
  for (const auto& source : fields.at("sources", json::value_t::array)) {
    manifest.sources.push_back(Fields(source, path).text("name"));
  }
  for (const auto& part : fields.at("parts", json::value_t::array)) {
    const auto& row = fields.row(part, 5, 0);
    const auto cell = [&](size_t i) { return fields.bounded(row[i], "parts"); };
    manifest.parts.push_back({cell(0), cell(1), cell(2), cell(3), cell(4)});
  }
  for (const auto& file : fields.at("files", json::value_t::array)) {
    const auto& row = fields.row(file, 3, 2);
    manifest.files.push_back({row[0].get<std::string>(), row[1].get<std::string>(), fields.bounded(row[2], "files")});
  }
  check_counts(manifest, path);
  return manifest;
}

}  // namespace plumb::data
