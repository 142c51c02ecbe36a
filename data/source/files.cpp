#include <fnmatch.h>
#include <locale.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "core/error.h"
#include "data/arrow/module.h"
#include "data/source/bytes.h"
#include "data/source/documents.h"
#include "data/source/source.h"
#include "data/store/store.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;

constexpr const char* kReadable = ".txt .md .html .jsonl .json .csv .tsv (also with .gz or .zst), .parquet and .pdf";

std::optional<Container> container_of(const fs::path& file) {
  fs::path name = file.filename();
  const bool compressed = is_compressed(name);
  if (compressed) name = name.stem();
  auto extension = name.extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (extension == ".txt") return Container::text;
  if (extension == ".md" || extension == ".markdown") return Container::markdown;
  if (extension == ".html" || extension == ".htm" || extension == ".xhtml") return Container::html;
  if (extension == ".jsonl" || extension == ".ndjson") return Container::json_lines;
  if (extension == ".json") return Container::json;
  if (extension == ".csv") return Container::csv;
  if (extension == ".tsv") return Container::tsv;
  if (extension == ".parquet" && !compressed) return Container::parquet;
  if (extension == ".pdf" && !compressed) return Container::pdf;
  return std::nullopt;
}

// What to do about one file whose kind is not read.
std::string hint_for(const fs::path& file) {
  static constexpr std::string_view kOffice[] = {".doc",  ".docx", ".odt", ".rtf",  ".hwp", ".hwpx", ".ppt",
                                                 ".pptx", ".odp",  ".xls", ".xlsx", ".ods", ".epub"};
  const auto extension = file.extension().string();
  if (std::find(std::begin(kOffice), std::end(kOffice), extension) != std::end(kOffice)) {
    return "convert it to text first (pandoc or soffice: to .md, .html or .txt; a table to .csv)";
  }
  if (is_compressed(file)) return "only texts and tables of text are read compressed: decompress it first";
  return "if it is text, rename it by what it holds";
}

[[noreturn]] void fail_listing(const fs::path& where, const std::error_code& code) {
  fail_input(where.string(), "cannot be read: " + code.message());
}

struct Found {
  fs::path path;
  uint64_t bytes = 0;
  std::string version;
};
using Match = std::function<bool(const std::string& path)>;

// Every regular file below `folder` that matches; hidden names are passed over. Links to files are read; a link to a
// folder could lead in a circle, or to what is read anyway: it is not followed, but listed in `others`, as a link to
// nothing is and what is no regular file (a pipe would be waited for).
void collect_local(const fs::path& folder, const Match& match, std::vector<Found>& found,
                   std::vector<fs::path>& others) {
  std::error_code code;
  fs::recursive_directory_iterator at(folder, code), end;
  if (code) fail_listing(folder, code);
  while (at != end) {
    const auto& entry = *at;
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (hidden && entry.is_directory(code)) at.disable_recursion_pending();
    if (!hidden && entry.is_regular_file(code) && match(entry.path().string())) {
      found.push_back({entry.path(), entry.file_size(code), ""});
    } else if (!hidden && !entry.is_regular_file(code) && (entry.is_symlink(code) || !entry.is_directory(code))) {
      if (entry.is_directory(code) || match(entry.path().string())) others.push_back(entry.path());
    }
    at.increment(code);
    if (code) fail_listing(folder, code);
  }
}

// A character is a character, not a byte: ? and [가나] in a name of any script (not [가-힣]: C.UTF-8 orders nothing).
// Names that are no UTF-8, and machines without that locale, have bytes.
bool matches(const std::string& pattern, const std::string& name, int flags) {
  static const locale_t utf8 = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  const locale_t before = utf8 ? ::uselocale(utf8) : nullptr;
  const int found = ::fnmatch(pattern.c_str(), name.c_str(), flags);
  if (utf8) ::uselocale(before);
  return found == 0 || (found != FNM_NOMATCH && ::fnmatch(pattern.c_str(), name.c_str(), flags) == 0);
}

bool is_hidden(const std::string& path, size_t from) {
  for (size_t at = from; at < path.size(); ++at) {
    if (path[at] == '.' && (at == from || path[at - 1] == '/')) return true;
  }
  return false;
}

void collect_remote(const std::string& folder, const Match& match, std::vector<Found>& found) {
  const auto store = Store::of(folder);
  for (const auto& entry : store->list(folder)) {
    if (is_hidden(entry.path, folder.size()) || !match(entry.path)) continue;
    found.push_back({entry.path, entry.bytes, ""});
  }
}

bool is_glob(const std::string& path) { return path.find_first_of("*?[") != std::string::npos; }

std::vector<Found> expand_glob(const std::string& pattern, std::vector<fs::path>& others) {
  const auto special = pattern.find_first_of("*?[");
  const auto slash = pattern.rfind('/', special);
  const std::string folder = slash == std::string::npos ? "." : pattern.substr(0, std::max<size_t>(slash, 1));
  std::vector<Found> found;
  std::error_code code;
  const bool remote = is_remote(pattern);
  if (!remote && !fs::is_directory(folder, code)) return found;
  const auto deep = pattern.find("**");
  // "**" crosses folders: then * may match a slash too, as without FNM_PATHNAME; "a/**/b" also means "a/b".
  std::string direct = pattern;
  if (deep != std::string::npos && direct.compare(deep, 3, "**/") == 0) direct.erase(deep, 3);
  const int flags = FNM_PERIOD | (deep == std::string::npos ? FNM_PATHNAME : 0);
  const bool relative = slash == std::string::npos;
  const Match match = [&](const std::string& path) {
    const std::string text = relative ? fs::path(path).lexically_relative(folder).string() : path;
    return matches(pattern, text, flags) || matches(direct, text, flags);
  };
  if (remote)
    collect_remote(folder + "/", match, found);
  else
    collect_local(folder, match, found, others);
  // Without ** the pattern does not look into folders below.
  if (deep == std::string::npos) std::erase_if(others, [&](const auto& path) { return fs::is_directory(path, code); });
  return found;
}

// What the path of a source names; `exact` when it is one file.
std::vector<Found> expand(const std::string& path, bool& exact, std::vector<fs::path>& others) {
  std::vector<Found> found;
  if (is_remote(path)) {
    if (is_glob(path)) return expand_glob(path, others);
    collect_remote(
        path, [](const std::string&) { return true; }, found);
    exact = found.size() == 1 && found[0].path == path;
    if (found.empty()) fail_input(path, "no such object, and none below it");
    return found;
  }
  std::error_code code;
  const bool literal = fs::exists(path, code);
  if (literal && fs::is_directory(path, code)) {
    collect_local(
        path, [](const std::string&) { return true; }, found, others);
  } else if (literal) {
    found.push_back({path, fs::is_regular_file(path, code) ? fs::file_size(path, code) : 0, ""});
    exact = true;
  } else if (is_glob(path)) {
    found = expand_glob(path, others);
  } else {
    fail_input(path, "no such file or folder");
  }
  return found;
}

// One clear answer before anything is read, not a quarantined file after the other.
void check_readable(const std::vector<SourceFile>& files) {
  for (const auto& file : files) {
    if (file.container == Container::parquet && !arrow_unavailable().empty()) {
      fail_input(file.path.string(), arrow_unavailable(), kArrowHint);
    }
    if (file.container == Container::pdf && !pdf_unavailable().empty()) {
      fail_input(file.path.string(), pdf_unavailable(), "apt-get install poppler-utils (scripts/setup does)");
    }
  }
}

}  // namespace

std::string source_name(const config::Source& source) {
  if (!source.name.empty()) return source.name;
  fs::path path = source.path;
  if (!path.has_filename()) path = path.parent_path();
  return is_glob(source.path) ? path.parent_path().filename().string() : path.stem().string();
}

std::string why_unreadable(const fs::path& path) {
  if (is_remote(path.string())) return "";
  std::error_code code;
  const auto status = fs::status(path, code);
  if (fs::is_regular_file(status)) return "";
  if (fs::is_directory(status)) return " (link to a folder)";
  const bool link = fs::is_symlink(fs::symlink_status(path, code));
  return link && !fs::exists(status) ? " (broken link)" : " (no regular file)";
}

std::vector<SourceFile> source_files(const config::Source& source, std::vector<fs::path>* passed_over) {
  bool exact = false;
  std::vector<fs::path> others;
  auto found = expand(source.path, exact, others);
  std::sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.path < b.path; });
  std::sort(others.begin(), others.end());
  std::vector<SourceFile> files;
  std::string first_unread;
  std::shared_ptr<Store> store;
  for (auto& one : found) {
    const auto container = container_of(one.path);
    if (!container) {
      if (exact) {
        fail_input(
            source.path,
            "expected a file named " + std::string(kReadable) + ", found \"" + one.path.extension().string() + "\"",
            hint_for(one.path));
      }
      if (first_unread.empty()) first_unread = one.path.filename().string();
      if (passed_over) passed_over->push_back(std::move(one.path));
      continue;
    }
    if (is_remote(one.path.string())) {
      if (!store) store = Store::of(one.path.string());
      const auto entry = store->stat(one.path.string());
      one.bytes = entry.bytes, one.version = entry.version();
    }
    files.push_back({std::move(one.path), *container, one.bytes, std::move(one.version)});
  }
  if (files.empty()) {
    std::string message = "found no readable file (" + std::to_string(found.size()) + " of another kind";
    if (!found.empty()) message += ", such as \"" + first_unread + "\"";
    message += ")";
    if (!others.empty()) {
      message += ", and " + std::to_string(others.size()) + " that cannot be read, such as \"" +
                 others[0].filename().string() + "\"" + why_unreadable(others[0]);
    }
    std::string hint = "read are " + std::string(kReadable);
    if (!found.empty()) hint += "; " + hint_for(first_unread);
    fail_input(source.path, message, hint);
  }
  if (passed_over) passed_over->insert(passed_over->end(), others.begin(), others.end());
  check_readable(files);
  return files;
}

}  // namespace plumb::data
