// One source of a config as a sequence of records: files in sorted order, rows in file order.
#pragma once

#include <cstdint>
#include <limits>
#include <map>

#include "data/dataset.h"

namespace plumb::data {

enum class Container { text, markdown, html, pdf, json_lines, json, csv, tsv, parquet };

// text, markdown, html and pdf: a file is one document.
bool is_document(Container);

struct SourceFile {
  std::filesystem::path path;  // as the file is called in messages: a local path, or s3://bucket/key
  Container container = Container::text;
  uint64_t bytes = 0;   // on disk or in the store
  std::string version;  // of an object in a store: changes with its content ("etag size"); empty for a local file
};

// File, folder (recursive; hidden files and unknown extensions are passed over) or glob (* ? [] within names, ** across
// folders), local or s3://, sorted by path. Error(bad_input) when there is none, and when one needs what this build or
// machine lacks (Arrow, pdftotext). `passed_over` gets the files whose kind is not read, links
// to folders, which are not followed, links to nothing, and what is no regular file.
std::vector<SourceFile> source_files(const config::Source&, std::vector<std::filesystem::path>* passed_over = nullptr);
// Of something passed over that is no file of another kind, why it is not read: " (broken link)"; else "".
std::string why_unreadable(const std::filesystem::path&);

// A part of a .jsonl file: the rows whose first byte lies in [begin, end), of a compressed file counted in its text.
// Any two cuts are exact: no row is read twice, none is lost.
struct FileRange {
  uint64_t begin = 0, end = std::numeric_limits<uint64_t>::max();
  int64_t first_line = 1;  // number of the line that starts at or after `begin`
  bool whole() const { return begin == 0 && end == std::numeric_limits<uint64_t>::max(); }
};

// Content hash and line-exact cuts in one pass over the file. Cuts lie behind the first line end at or after each
// multiple of range_bytes; a file that cannot be cut (compressed, remote, not JSON lines) gives one whole range. Of a
// remote object nothing is fetched: sha256 is the hash of its version.
struct FileScan {
  std::string sha256;
  std::vector<FileRange> ranges;
};
FileScan scan_file(const SourceFile&, uint64_t range_bytes);

// A row that cannot be read, or damage of a file that ends the reading of it.
struct Malformed {
  std::string where, reason;  // "file:line"; never a value of the row
  bool row = true;            // false: damage
  int64_t line = 0;
  uint64_t offset = 0;  // as in Record
};

// What a visit of rows gives its records to.
struct Visit {
  bool strict = false;                                 // a malformed row is an Error
  std::function<bool(Record&&)> take;                  // false: stop here
  std::function<void(const Malformed&)> on_malformed;  // may be empty
  std::function<void(uint64_t)> progress;              // bytes of this file read so far; may be empty
  // Record::fields has the whole row. Else it is empty, and of a parquet file only the columns used are read: what else
  // stands in a row may be a thousand times its text.
  bool all_columns = false;
  std::string strict_hint = "data.strict: false sets malformed rows aside and counts them";
  bool unanswered = false;  // a conversation without any answer is a record like others; else a malformed row
  int64_t most = std::numeric_limits<int64_t>::max();  // records and malformed rows together
};

// The rows of one file, from the top or of one range of it. `file` is its index, given on in Record::file. Damage
// (truncated, undecodable, not what its name says) is one malformed row where the reading ended, never fatal unless
// strict. Returns false when `take` stopped it; `taken` is raised by every record and malformed row.
bool visit_file(const config::Source&, const SourceFile&, uint32_t file, const FileRange&, const Visit&,
                int64_t* taken = nullptr);

// All files of a source in order, max_documents applied. `progress` counts over all files.
bool visit_source(const config::Source&, bool strict, const std::function<bool(Record&&)>& take, const MalformedSink&,
                  const std::function<void(uint64_t)>& progress = {});

// A row of a container under format and fields mapping; throws RowError.
struct RowError {
  std::string reason, hint = {};
};
void fill_record(const config::Source&, nlohmann::json&& row, Record&);
void check_answered(const config::Source&, const Record&);  // throws RowError
// Columns of a row that a build looks at, for containers that store columns apart.
std::vector<std::string> used_columns(const config::Source&);
bool blank(std::string_view text);  // nothing but white space
// Nothing that could be learnt: a blank text, or a conversation whose answers are all blank.
bool says_nothing(const std::string& text, const std::vector<Message>& messages);
uint64_t content_id(const std::string& source_name, const Record&);
std::string source_name(const config::Source&);  // name, or the path's stem

}  // namespace plumb::data
