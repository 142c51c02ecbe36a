// Documents by their id, or by where they came from: the tables of all parts gone through as they lie in memory.
#include <charconv>
#include <cstring>

#include "core/json.h"
#include "data/shards/reader.h"

namespace plumb::data {

std::vector<int64_t> Dataset::documents_with_id(uint64_t id) const {
  std::vector<int64_t> found;
  for (int64_t document = 0; document < documents(); ++document) {
    if (document_id(document) == id) found.push_back(document);
  }
  return found;
}

std::vector<int64_t> Dataset::documents_at(const std::string& where) const {
  std::vector<int64_t> found;
  for (int64_t document = 0; document < documents(); ++document) {
    if (document_where(document) == where) found.push_back(document);
  }
  return found;
}

template <class Matches>
std::vector<int64_t> ShardDataset::documents_that(const Matches& matches) const {
  std::vector<int64_t> found;
  for (const auto& place : places_) {
    const uint64_t count = place.part->documents;
    const auto file = open(*place.documents, sizeof(DocumentEntry), (count + 1) * sizeof(DocumentEntry), place);
    const auto* entries = file->at(sizeof(FileHeader), count * sizeof(DocumentEntry));
    for (uint64_t index = 0; index < count; ++index) {
      DocumentEntry entry;
      std::memcpy(&entry, entries + index * sizeof entry, sizeof entry);
      if (matches(entry)) found.push_back(static_cast<int64_t>(place.first_document + index));
    }
  }
  return found;
}

std::vector<int64_t> ShardDataset::documents_with_id(uint64_t id) const {
  return documents_that([&](const DocumentEntry& entry) { return entry.id == id; });
}

std::vector<int64_t> ShardDataset::documents_at(const std::string& where) const {
  // "file", or "file:line"; several sources may have a file of that name.
  std::vector<std::pair<uint32_t, uint64_t>> places;
  const auto colon = where.rfind(':');
  const std::string stem = colon == std::string::npos ? "" : where.substr(0, colon);
  uint64_t line = 0;
  if (!stem.empty()) {
    const char *first = where.data() + colon + 1, *last = where.data() + where.size();
    const auto [end, error] = std::from_chars(first, last, line);
    if (error != std::errc() || end != last) line = 0;
  }
  const auto file = open(slot("sources.jsonl"));
  const auto text = file->text();
  uint32_t number = 0;
  for (size_t at = 0; at < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const auto row = text.substr(at, end - at);
    at = end + 1;
    // A name without what JSON escapes stands there as it is, so that few lines are parsed.
    const bool plain = where.find_first_of("\"\\") == std::string::npos && row.find('\\') == std::string_view::npos;
    if (plain && row.find(where) == std::string_view::npos && (line == 0 || row.find(stem) == std::string_view::npos)) {
      continue;
    }
    const auto name = core::parse_json(row, file->path().string()).value("name", std::string());
    if (name == where) places.emplace_back(number, 0);
    if (line > 0 && name == stem) places.emplace_back(number, line);
  }
  if (places.empty()) return {};
  return documents_that([&](const DocumentEntry& entry) {
    for (const auto& [from, at] : places) {
      if (entry.file == from && entry.line == at) return true;
    }
    return false;
  });
}

}  // namespace plumb::data
