#include "data/source/source.h"

#include "core/error.h"
#include "data/source/rows.h"

namespace plumb::data {

namespace {

constexpr uint64_t kLargestDocument = uint64_t{2} << 30;

// A text file is one document. Line ends become \n, as in every reader that opens text as text.
std::string read_document(const std::filesystem::path& file, uint64_t& consumed) {
  CharReader in(file);
  std::string text;
  for (auto ahead = in.ahead(); !ahead.empty(); ahead = in.ahead()) {
    if (text.size() + ahead.size() > kLargestDocument) {
      fail_input(file.string(), "expected a document of at most 2 GiB, found a larger one",
                 "one .txt file is one document: cut it into several, or into the lines of a .jsonl");
    }
    text.append(ahead);
    in.skip_within_line(ahead.size());
  }
  consumed = in.consumed();
  size_t to = 0;
  for (size_t from = 0; from < text.size(); ++from) {
    if (text[from] == '\r' && from + 1 < text.size() && text[from + 1] == '\n') continue;
    text[to++] = text[from];
  }
  text.resize(to);
  return text;
}

std::unique_ptr<RowReader> open_rows(const SourceFile& file) {
  switch (file.container) {
    case Container::json_lines:
      return read_json_lines(file.path);
    case Container::json:
      return read_json(file.path);
    case Container::csv:
      return read_csv(file.path, ',');
    case Container::tsv:
      return read_csv(file.path, '\t');
    case Container::text:
      break;
  }
  fail_internal("a text file has no rows");
}

class Visitor {
 public:
  Visitor(const config::Source& source, bool strict, const std::function<bool(Record&&)>& take,
          const MalformedSink& on_malformed, const std::function<void(uint64_t)>& progress)
      : source_(source),
        strict_(strict),
        take_(take),
        on_malformed_(on_malformed),
        progress_(progress),
        name_(source_name(source)) {}

  bool run() {
    for (const auto& file : source_files(source_)) {
      if (file.container == Container::text ? !document(file.path) : !rows(file)) return false;
    }
    return true;
  }

 private:
  bool document(const std::filesystem::path& file) {
    if (source_.format != "text") {
      fail_input(file.string(), "format \"" + source_.format + "\" needs rows with fields, found a .txt file",
                 "format: text, or a .jsonl, .json or .csv file");
    }
    uint64_t consumed = 0;
    Record record;
    record.text = read_document(file, consumed);
    done_ += consumed;
    return give(std::move(record), file.string());
  }

  bool rows(const SourceFile& file) {
    const auto reader = open_rows(file);
    Row row;
    while (!full() && reader->next(row)) {
      const std::string where = file.path.string() + ":" + std::to_string(row.line);
      if (progress_ && ++rows_ % 256 == 0) progress_(done_ + reader->consumed());
      Record record;
      if (row.wrong.empty()) {
        try {
          fill_record(source_, std::move(row.value), record);
        } catch (const RowError& error) {
          row.wrong = error.reason;
        }
      }
      if (!row.wrong.empty()) {
        if (strict_) fail_input(where, row.wrong, "data.strict: false sets malformed rows aside and counts them");
        ++taken_;
        if (on_malformed_) on_malformed_(where, row.wrong);
      } else if (!give(std::move(record), where)) {
        return false;
      }
    }
    done_ += reader->consumed();
    return true;
  }

  bool full() const { return source_.max_documents && taken_ >= *source_.max_documents; }

  bool give(Record&& record, std::string where) {
    if (full()) return true;
    ++taken_;
    record.id = content_id(name_, record);
    record.where = std::move(where);
    if (progress_ && record.messages.empty() && record.text.size() > kLargestRow) progress_(done_);
    return take_(std::move(record));
  }

  const config::Source& source_;
  bool strict_;
  const std::function<bool(Record&&)>& take_;
  const MalformedSink& on_malformed_;
  const std::function<void(uint64_t)>& progress_;
  std::string name_;
  uint64_t done_ = 0;
  int64_t taken_ = 0, rows_ = 0;
};

}  // namespace

bool visit_source(const config::Source& source, bool strict, const std::function<bool(Record&&)>& take,
                  const MalformedSink& on_malformed, const std::function<void(uint64_t)>& progress) {
  return Visitor(source, strict, take, on_malformed, progress).run();
}

void read_source(const config::Source& source, bool strict, const RecordSink& take, const MalformedSink& on_malformed) {
  visit_source(
      source, strict, [&](Record&& record) { return take(std::move(record)), true; }, on_malformed);
}

}  // namespace plumb::data
