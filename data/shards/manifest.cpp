#include <cstring>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/shards/reader.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;
constexpr const char* kFormat = "plumb-dataset-1";

// Typed look-ups that answer with the file and key.
class Fields {
 public:
  Fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {}
  const json& at(const char* key, json::value_t type) const {
    const bool there = object_.is_object() && object_.contains(key);
    const auto is = there ? object_[key].type() : json::value_t::discarded;
    const bool number = type == json::value_t::number_unsigned && is == json::value_t::number_unsigned;
    if (!number && is != type) fail_input(where_, std::string("key \"") + key + "\" is missing or of another type");
    return object_[key];
  }
  std::string text(const char* key) const { return at(key, json::value_t::string).get<std::string>(); }
  uint64_t count(const char* key) const {
    const auto value = at(key, json::value_t::number_unsigned).get<uint64_t>();
    if (value > (uint64_t{1} << 60)) fail_input(where_, std::string("key \"") + key + "\" is too large");
    return value;
  }
  bool flag(const char* key) const { return at(key, json::value_t::boolean).get<bool>(); }

 private:
  const json& object_;
  std::string where_;
};

BuildReport report_of(const json& object, const std::string& where) {
  const Fields fields(object, where);
  BuildReport report;
  const std::pair<const char*, int64_t*> counts[] = {{"documents", &report.documents},
                                                     {"kept", &report.kept},
                                                     {"held_out", &report.held_out},
                                                     {"malformed", &report.malformed},
                                                     {"empty", &report.empty},
                                                     {"too_long", &report.too_long},
                                                     {"bytes", &report.bytes},
                                                     {"tokens", &report.tokens},
                                                     {"trained_tokens", &report.trained_tokens},
                                                     {"special_texts", &report.special_texts},
                                                     {"invalid_utf8", &report.invalid_utf8},
                                                     {"split", &report.split}};
  for (const auto& [key, value] : counts) *value = static_cast<int64_t>(fields.count(key));
  report.held_out_by = fields.text("held_out_by");
  return report;
}

}  // namespace

json BuildReport::json() const {
  return {{"documents", documents},
          {"kept", kept},
          {"held_out", held_out},
          {"malformed", malformed},
          {"empty", empty},
          {"too_long", too_long},
          {"split", split},
          {"bytes", bytes},
          {"tokens", tokens},
          {"trained_tokens", trained_tokens},
          {"special_texts", special_texts},
          {"invalid_utf8", invalid_utf8},
          {"held_out_by", held_out_by},
          {"first_malformed", first_malformed}};
}

std::string write_manifest(const std::filesystem::path& folder, json content, const std::vector<HashedFile>& files) {
  core::AtomicFile blocks(folder / "blocks.bin");
  core::Sha256 blocks_sha256;
  json list = json::array();
  for (const auto& file : files) {
    const auto bytes = std::as_bytes(std::span(file.blocks));
    blocks.write(bytes);
    blocks_sha256.update(bytes);
    list.push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  blocks.commit();
  content["files"] = std::move(list);
  content["blocks_sha256"] = blocks_sha256.hex();
  // Where the malformed rows stood names this machine's paths: it is told, but is no part of the identity.
  json first_malformed = std::move(content["report"]["first_malformed"]);
  content["report"].erase("first_malformed");
  constexpr auto replace = json::error_handler_t::replace;
  const std::string digest = core::sha256(content.dump(-1, ' ', false, replace));
  const json manifest{{"format", kFormat},
                      {"digest", digest},
                      {"first_malformed", std::move(first_malformed)},
                      {"content", std::move(content)}};
  core::write_text(folder / "manifest.json", manifest.dump(1, ' ', false, replace) + "\n");
  return digest;
}

Manifest read_manifest(const std::filesystem::path& folder) {
  const auto path = folder / "manifest.json";
  if (!std::filesystem::exists(path)) {
    fail_input(folder, "expected a dataset, found no manifest.json", "plumb data build CFG makes a dataset folder");
  }
  const json whole = core::parse_json_file(path, uint64_t{64} << 20);
  const Fields top(whole, path);
  if (top.text("format") != kFormat) {
    fail_input(path, "expected the format " + std::string(kFormat) + ", found " + top.text("format").substr(0, 40));
  }
  const json& content = top.at("content", json::value_t::object);
  Manifest manifest;
  manifest.digest = top.text("digest");
  if (core::sha256(content.dump()) != manifest.digest) {
    fail_input(path, "damaged: the digest is not that of the content",
               "remove the dataset's folder and build it again");
  }
  const Fields fields(content, path);
  manifest.tokenizer_digest = fields.text("tokenizer_digest");
  manifest.packing = fields.text("packing");
  manifest.sequence_length = static_cast<int64_t>(fields.count("sequence_length"));
  manifest.vocab_size = static_cast<int64_t>(fields.count("vocab_size"));
  manifest.documents = static_cast<int64_t>(fields.count("documents"));
  manifest.rows = static_cast<int64_t>(fields.count("rows"));
  manifest.tokens = fields.count("tokens");
  manifest.tokens_per_shard = fields.count("tokens_per_shard");
  manifest.token_bytes = static_cast<uint32_t>(fields.count("token_bytes"));
  manifest.weights = fields.flag("weights");
  manifest.blocks_sha256 = fields.text("blocks_sha256");
  manifest.report = report_of(fields.at("report", json::value_t::object), path);
  for (const auto& line : top.at("first_malformed", json::value_t::array)) {
    if (line.is_string()) manifest.report.first_malformed.push_back(line.get<std::string>());
  }
  for (const auto& source : fields.at("sources", json::value_t::array)) {
    manifest.sources.push_back(Fields(source, path).text("name"));
  }
  for (const auto& file : fields.at("files", json::value_t::array)) {
    const Fields entry(file, path);
    manifest.files.push_back({entry.text("name"), entry.text("sha256"), entry.count("bytes")});
  }
  const bool packing = manifest.packing == "concat" || manifest.packing == "best_fit" || manifest.packing == "none";
  if (!packing || manifest.tokens_per_shard == 0 || manifest.tokens_per_shard % 8 != 0 ||
      (manifest.token_bytes != 2 && manifest.token_bytes != 4) || manifest.sequence_length < 1 ||
      manifest.sequence_length > (int64_t{1} << 31) || manifest.vocab_size > (int64_t{1} << 31)) {
    fail_input(
        path, "packing, token_bytes, tokens_per_shard, vocab_size or sequence_length has a value that no build writes");
  }
  return manifest;
}

}  // namespace plumb::data
