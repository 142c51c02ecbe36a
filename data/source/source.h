// One source of a config as a sequence of records: files in sorted order, rows in file order.
#pragma once

#include "data/dataset.h"

namespace plumb::data {

enum class Container { text, json_lines, json, csv, tsv };

struct SourceFile {
  std::filesystem::path path;
  Container container;
};

// File, folder (recursive; hidden files and unknown extensions are passed over) or glob (* ? [] within names, ** across
// folders), sorted by path. Error(bad_input) when there is none.
std::vector<SourceFile> source_files(const config::Source&);

// `take` returns false to stop. `progress` gets the bytes of files on disk read so far. Returns false when stopped.
bool visit_source(const config::Source&, bool strict, const std::function<bool(Record&&)>& take, const MalformedSink&,
                  const std::function<void(uint64_t)>& progress = {});

// A row of a container under format and fields mapping; throws RowError.
struct RowError {
  std::string reason;
};
void fill_record(const config::Source&, nlohmann::json&& row, Record&);
uint64_t content_id(const std::string& source_name, const Record&);
std::string source_name(const config::Source&);  // name, or the path's stem

}  // namespace plumb::data
