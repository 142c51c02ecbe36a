#include <fmt/format.h>

#include "core/error.h"
#include "core/files.h"
#include "core/json.h"
#include "data/tokenizer/extend.h"

namespace plumb::data {

namespace {

constexpr const char* kName = "tokenizer_extension.json";

}  // namespace

void save_extension(const VocabularyExtension& extension, const std::filesystem::path& folder) {
  const nlohmann::ordered_json json = {{"first_new", extension.first_new}, {"old_pieces", extension.old_pieces}};
  core::write_text(folder / kName, json.dump() + "\n");
}

VocabularyExtension load_extension(const std::filesystem::path& folder) {
  const auto file = folder / kName;
  const auto json = core::parse_json_file(file);
  const auto damaged = [&](const std::string& what) {
    fail_input(file.string(), what, "remove its folder: it is made again from tokenizer.extend");
  };
  VocabularyExtension extension;
  extension.tokenizer = load_tokenizer(folder);
  try {
    extension.first_new = json.at("first_new").get<int64_t>();
    extension.old_pieces = json.at("old_pieces").get<std::vector<std::vector<int32_t>>>();
  } catch (const nlohmann::json::exception&) {
    damaged("expected first_new and old_pieces, a list of ids for each new token");
  }
  const auto added = static_cast<int64_t>(extension.old_pieces.size());
  if (extension.first_new < 1 || added < 1 || extension.tokenizer->vocab_size() - added != extension.first_new)
    damaged(fmt::format("{} new tokens from {} on do not make the tokenizer's {} ids", added, extension.first_new,
                        extension.tokenizer->vocab_size()));
  for (const auto& pieces : extension.old_pieces) {
    if (pieces.empty()) damaged("a new token has no old pieces");
    for (const int32_t id : pieces)
      if (id < 0 || id >= extension.first_new) damaged(fmt::format("{} is no id of the base", id));
  }
  return extension;
}

}  // namespace plumb::data
