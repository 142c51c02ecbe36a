#include <fnmatch.h>

#include <algorithm>
#include <optional>

#include "core/error.h"
#include "data/source/source.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;

std::optional<Container> container_of(const fs::path& file) {
  fs::path name = file.filename();
  const auto last = name.extension();
  if (last == ".gz" || last == ".zst" || last == ".zstd") name = name.stem();
  const auto extension = name.extension();
  if (extension == ".txt") return Container::text;
  if (extension == ".jsonl" || extension == ".ndjson") return Container::json_lines;
  if (extension == ".json") return Container::json;
  if (extension == ".csv") return Container::csv;
  if (extension == ".tsv") return Container::tsv;
  return std::nullopt;
}

[[noreturn]] void fail_listing(const fs::path& where, const std::error_code& code) {
  fail_input(where.string(), "cannot be read: " + code.message());
}

// Every regular file below `folder` whose path relative to it matches; hidden names are passed over.
template <class Match>
void collect(const fs::path& folder, const Match& match, std::vector<fs::path>& found) {
  std::error_code code;
  fs::recursive_directory_iterator at(folder, code), end;
  if (code) fail_listing(folder, code);
  while (at != end) {
    const auto& entry = *at;
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (hidden && entry.is_directory(code)) at.disable_recursion_pending();
    if (!hidden && entry.is_regular_file(code) && match(entry.path())) found.push_back(entry.path());
    at.increment(code);
    if (code) fail_listing(folder, code);
  }
}

bool is_glob(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

std::vector<fs::path> expand_glob(const std::string& pattern) {
  const auto special = pattern.find_first_of("*?[");
  const auto slash = pattern.rfind('/', special);
  const fs::path folder = slash == std::string::npos ? "." : pattern.substr(0, std::max<size_t>(slash, 1));
  std::vector<fs::path> found;
  std::error_code code;
  if (!fs::is_directory(folder, code)) return found;
  const auto deep = pattern.find("**");
  // "**" crosses folders: then * may match a slash too, as without FNM_PATHNAME; "a/**/b" also means "a/b".
  std::string direct = pattern;
  if (deep != std::string::npos && direct.compare(deep, 3, "**/") == 0) direct.erase(deep, 3);
  const int flags = FNM_PERIOD | (deep == std::string::npos ? FNM_PATHNAME : 0);
  const bool relative = slash == std::string::npos;
  collect(
      folder,
      [&](const fs::path& path) {
        const std::string text = relative ? path.lexically_relative(folder).string() : path.string();
        return fnmatch(pattern.c_str(), text.c_str(), flags) == 0 || fnmatch(direct.c_str(), text.c_str(), flags) == 0;
      },
      found);
  return found;
}

}  // namespace

std::string source_name(const config::Source& source) {
  if (!source.name.empty()) return source.name;
  fs::path path = source.path;
  if (!path.has_filename()) path = path.parent_path();
  return is_glob(source.path) ? path.parent_path().filename().string() : path.stem().string();
}

std::vector<SourceFile> source_files(const config::Source& source) {
  std::vector<fs::path> found;
  std::error_code code;
  const bool literal = fs::exists(source.path, code);
  bool exact = false;
  if (literal && fs::is_directory(source.path, code)) {
    collect(
        source.path, [](const fs::path&) { return true; }, found);
  } else if (literal) {
    found.push_back(source.path), exact = true;
  } else if (is_glob(source.path)) {
    found = expand_glob(source.path);
  } else {
    fail_input(source.path, "no such file or folder");
  }
  std::sort(found.begin(), found.end());
  std::vector<SourceFile> files;
  for (auto& path : found) {
    const auto container = container_of(path);
    if (container)
      files.push_back({std::move(path), *container});
    else if (exact) {
      fail_input(source.path,
                 "expected a file named .txt .jsonl .json .csv or .tsv (also with .gz or .zst), found \"" +
                     path.extension().string() + "\"",
                 "rename it by what it holds");
    }
  }
  if (files.empty()) {
    fail_input(source.path, "found no readable file (" + std::to_string(found.size()) + " of another kind)",
               "read are .txt .jsonl .json .csv .tsv, also with .gz or .zst");
  }
  return files;
}

}  // namespace plumb::data
