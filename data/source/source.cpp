#include "data/source/source.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/hash.h"
#include "data/source/documents.h"
#include "data/source/parquet.h"
#include "data/source/rows.h"
#include "data/store/store.h"

namespace plumb::data {

namespace {

constexpr size_t kScanBuffer = size_t{1} << 20;

bool can_cut(const SourceFile& file) {
  return file.container == Container::json_lines && file.version.empty() && !is_compressed(file.path);
}

std::unique_ptr<RowReader> open_rows(const config::Source& source, const SourceFile& file,
                                     const std::filesystem::path& at, const FileRange& range, bool all_columns) {
  switch (file.container) {
    case Container::json_lines:
      return read_json_lines(at, range.begin, range.end, range.first_line);
    case Container::json:
      return read_json(at);
    case Container::csv:
      return read_csv(at, ',', used_columns(source));
    case Container::tsv:
      return read_csv(at, '\t', used_columns(source));
    case Container::parquet:
      return read_parquet(at, all_columns ? std::vector<std::string>() : used_columns(source));
    case Container::text:
    case Container::markdown:
    case Container::html:
    case Container::pdf:
      break;
  }
  fail_internal("a document has no rows");
}

class FileVisit {
 public:
  FileVisit(const config::Source& source, const SourceFile& file, uint32_t index, const FileRange& range,
            const Visit& visit, int64_t& taken)
      : source_(source), file_(file), index_(index), range_(range), visit_(visit), taken_(taken) {
    const bool lines = file.container == Container::json_lines;
    if (!range.whole() && !lines) fail_internal(file.path.string() + " cannot be read in ranges");
    local_ = local_path();
  }

  bool run() { return is_document(file_.container) ? document() : rows(); }

 private:
  // A store that does not answer is no damage of the file: its Error ends the run.
  std::filesystem::path local_path() {
    if (file_.version.empty()) return file_.path;
    StoreEntry entry;
    entry.path = file_.path.string(), entry.bytes = file_.bytes;
    entry.etag = file_.version.substr(0, file_.version.rfind(' '));
    kept_ = Store::of(entry.path)->local(entry);
    return kept_.path();
  }

  bool document() {
    if (source_.format != "text") {
      fail_input(file_.path.string(),
                 "format \"" + source_.format + "\" needs rows with fields, found a " +
                     file_.path.extension().string() + " file, which is one document",
                 "format: text, or a .jsonl, .json, .csv or .parquet file");
    }
    Record record;
    uint64_t consumed = 0;
    if (!guarded(
            [&] {
              auto document = read_document(local_, file_.container, consumed);
              record.text = std::move(document.text);
              record.left_out = std::move(document.left_out);
              record.invalid_utf8 = document.invalid_utf8;
            },
            [] { return int64_t{0}; }, [] { return ""; })) {
      return true;
    }
    if (visit_.progress) visit_.progress(consumed);
    return give(std::move(record), file_.path.string());
  }

  bool rows() {
    std::unique_ptr<RowReader> reader;
    constexpr const char* kRest = "; what follows in the file is not read";
    const auto rest = [&] { return reader && reader->goes_on() ? "" : kRest; };
    const auto line = [&] { return reader ? reader->line() : std::max<int64_t>(range_.first_line, 1); };
    const auto open = [&] { reader = open_rows(source_, file_, local_, range_, visit_.all_columns); };
    if (!guarded(open, line, [] { return ""; })) return true;
    Row row;
    for (int64_t rows = 1; !full(); ++rows) {
      bool more = false;
      if (!guarded([&] { more = reader->next(row); }, line, rest)) {
        if (!reader->goes_on()) break;
        continue;
      }
      if (!more) break;
      if (visit_.progress && rows % 256 == 0) visit_.progress(reader->consumed());
      if (!one_row(row)) return false;
    }
    if (visit_.progress) visit_.progress(reader->consumed());
    return true;
  }

  bool one_row(Row& row) {
    std::string where = file_.path.string() + ":" + std::to_string(row.line);
    Record record;
    record.line = row.line, record.offset = row.offset;
    std::string hint = std::exchange(row.hint, {});
    if (row.wrong.empty()) {
      try {
        fill_record(source_, std::move(row.value), record);
        if (!visit_.unanswered) check_answered(source_, record);
      } catch (const RowError& error) {
        row.wrong = error.reason, hint = error.hint;
      }
    }
    if (!visit_.all_columns) record.fields = nullptr;
    if (row.wrong.empty()) return give(std::move(record), std::move(where));
    set_aside({std::move(where), std::move(row.wrong), true, row.line, row.offset}, ExitCode::bad_input,
              std::move(hint));
    return true;
  }

  // Runs what reads the file. Damage of this one file is set aside at the place where reading stands.
  template <class Read, class Line, class Rest>
  bool guarded(const Read& read, const Line& line, const Rest& rest) {
    try {
      read();
      return true;
    } catch (const Error& error) {
      if (error.code() != ExitCode::bad_input) throw;
      const int64_t at = line();
      std::string where = file_.path.string();
      if (at > 0) where += ":" + std::to_string(at);
      set_aside({std::move(where), error.message() + rest(), false, at}, error.code(), error.hint());
      return false;
    }
  }

  void set_aside(Malformed&& found, ExitCode code, std::string hint) {
    if (visit_.strict) {
      if (hint.empty()) hint = visit_.strict_hint;
      throw Error(code, found.reason, found.where, hint);
    }
    if (full()) return;
    ++taken_;
    if (!hint.empty()) found.reason += "; hint: " + hint;
    if (visit_.on_malformed) visit_.on_malformed(found);
  }

  bool full() const { return taken_ >= visit_.most; }

  bool give(Record&& record, std::string where) {
    if (full()) return true;
    ++taken_;
    record.id = content_id(source_name(source_), record);
    record.where = std::move(where);
    record.file = index_;
    return visit_.take(std::move(record));
  }

  const config::Source& source_;
  const SourceFile& file_;
  uint32_t index_;
  FileRange range_;
  const Visit& visit_;
  int64_t& taken_;
  LocalFile kept_;
  std::filesystem::path local_;
};

bool visit_files(const config::Source& source, Visit visit, const MalformedSink& on_malformed,
                 const std::function<void(uint64_t)>& progress) {
  if (on_malformed) visit.on_malformed = [&](const Malformed& found) { on_malformed(found.where, found.reason); };
  if (source.max_documents) visit.most = *source.max_documents;
  uint64_t before = 0;
  int64_t taken = 0;
  if (progress) visit.progress = [&](uint64_t bytes) { progress(before + bytes); };
  const auto files = source_files(source);
  for (uint32_t i = 0; i < files.size() && taken < visit.most; ++i) {
    if (!visit_file(source, files[i], i, {}, visit, &taken)) return false;
    before += files[i].bytes;
  }
  return true;
}

}  // namespace

bool is_document(Container container) {
  return container == Container::text || container == Container::markdown || container == Container::html ||
         container == Container::pdf;
}

FileScan scan_file(const SourceFile& file, uint64_t range_bytes) {
  FileScan scan;
  scan.ranges.emplace_back();
  if (!file.version.empty()) return scan.sha256 = core::sha256(file.version), scan;
  const bool cut = can_cut(file) && range_bytes > 0;
  const auto in = open_bytes_at(file.path, 0);
  const auto buffer = std::make_unique<char[]>(kScanBuffer);
  core::Sha256 hash;
  uint64_t at = 0, next = range_bytes;
  int64_t line = 1;
  for (size_t n = 0; (n = in->read({buffer.get(), kScanBuffer})) > 0; at += n) {
    hash.update(std::string_view(buffer.get(), n));
    if (!cut) continue;
    for (size_t i = 0; i < n; ++i) {
      const void* found = std::memchr(buffer.get() + i, '\n', n - i);
      if (!found) break;
      i = static_cast<size_t>(static_cast<const char*>(found) - buffer.get());
      ++line;
      if (at + i < next) continue;
      scan.ranges.back().end = at + i + 1;
      scan.ranges.push_back({at + i + 1, FileRange().end, line});
      next = (at + i) / range_bytes * range_bytes + range_bytes;
    }
  }
  if (scan.ranges.size() > 1 && scan.ranges.back().begin == at) {  // nothing stands behind the last line end
    scan.ranges.pop_back();
    scan.ranges.back().end = FileRange().end;
  }
  scan.sha256 = hash.hex();
  return scan;
}

bool visit_file(const config::Source& source, const SourceFile& file, uint32_t index, const FileRange& range,
                const Visit& visit, int64_t* taken) {
  int64_t own = 0;
  return FileVisit(source, file, index, range, visit, taken ? *taken : own).run();
}

bool visit_source(const config::Source& source, bool strict, const std::function<bool(Record&&)>& take,
                  const MalformedSink& on_malformed, const std::function<void(uint64_t)>& progress) {
  Visit visit;
  visit.strict = strict, visit.take = take;
  return visit_files(source, std::move(visit), on_malformed, progress);
}

void read_source(const config::Source& source, bool strict, const RecordSink& take, const MalformedSink& on_malformed) {
  Visit visit;
  visit.strict = strict, visit.all_columns = true, visit.unanswered = true;
  visit.strict_hint = "mend the row or take it out of the set: no row of an evaluation set is passed over";
  visit.take = [&](Record&& record) { return take(std::move(record)), true; };
  visit_files(source, std::move(visit), on_malformed, {});
}

}  // namespace plumb::data
