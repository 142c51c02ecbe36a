// RFC 4180: comma-separated, quotes doubled inside quotes, newlines allowed inside quotes, a header row.
#include <algorithm>
#include <set>

#include "core/error.h"
#include "data/source/rows.h"

namespace plumb::data {

namespace {

class Csv : public RowReader {
 public:
  Csv(const std::filesystem::path& file, char separator, const std::vector<std::string>& used)
      : in_(file), separator_(separator) {
    std::string wrong;
    const std::string line(in_.ahead().substr(0, in_.ahead().find('\n')));
    if (!take(wrong)) fail_input(file.string(), "expected a header row, found an empty file");
    const bool named = wrong.empty() && std::find(used.begin(), used.end(), cells_[0]) != used.end();
    if (cells_.size() == 1 && !named) check_separator(file.string() + ":1", line);
    if (!wrong.empty()) fail_input(file.string() + ":1", "header row: " + wrong);
    header_ = cells_;
    std::set<std::string> seen;
    for (const auto& name : header_) {
      if (!seen.insert(name).second) fail_input(file.string() + ":1", column(name) + " stands twice in the header");
    }
  }

  bool next(Row& row) override {
    for (;;) {
      row.line = in_.line(), row.offset = in_.position();
      row.wrong.clear();
      if (!take(row.wrong)) return false;
      if (row.wrong.empty() && cells_.size() == 1 && cells_[0].empty() && header_.size() > 1) continue;  // blank line
      if (row.wrong.empty() && cells_.size() != header_.size()) {
        row.wrong = "expected " + std::to_string(header_.size()) + " columns, found " + std::to_string(cells_.size());
      }
      if (!row.wrong.empty()) return true;
      row.value = nlohmann::json::object();
      for (size_t i = 0; i < header_.size(); ++i) {
        if (!valid_utf8(cells_[i])) {
          row.wrong = "invalid UTF-8 in " + column(header_[i]), row.hint = kEncodingHint;
          return true;
        }
        row.value[header_[i]] = std::move(cells_[i]);
      }
      return true;
    }
  }
  uint64_t consumed() const override { return in_.consumed(); }
  int64_t line() const override { return in_.line(); }

 private:
  // Spreadsheets of many countries write semicolons: every row would be one cell, or as many as it has commas.
  void check_separator(const std::string& where, const std::string& line) const {
    static constexpr std::pair<char, const char*> kOthers[] = {
        {';', "semicolons"}, {'\t', "tabs"}, {'|', "vertical bars"}, {',', "commas"}};
    if (line.find(separator_) != std::string::npos) return;
    const auto count = [&](char c) { return std::count(line.begin(), line.end(), c); };
    const auto seen = *std::max_element(std::begin(kOthers), std::end(kOthers),
                                        [&](const auto& a, const auto& b) { return count(a.first) < count(b.first); });
    if (count(seen.first) == 0) return;
    fail_input(where,
               std::string("expected columns separated by ") + (separator_ == ',' ? "commas" : "tabs") +
                   ", found one column, with " + seen.second + " in the header row",
               seen.first == '\t'  ? "name the file .tsv"
               : seen.first == ',' ? "name the file .csv"
                                   : "save it with commas (.csv) or tabs (.tsv) between the columns");
  }

  static std::string column(const std::string& name) {
    const auto shown = shown_name(name);
    return shown.empty() ? "a column" : "column \"" + shown + "\"";
  }

  // One record into cells_; false at the end of the file.
  bool take(std::string& wrong) {
    cells_.assign(1, "");
    size_t taken = 0;
    if (in_.peek() == CharReader::kEnd) return false;
    bool quoted = false, was_quoted = false;  // inside quotes; this cell began with quotes that are closed now
    for (;;) {
      const int c = in_.get();
      if (c == CharReader::kEnd) {
        if (quoted) wrong = "a quoted cell is not closed before the end of the file; all from this row on is left out";
        return true;
      }
      if (++taken > kLargestRow) {
        for (int skipped = c; skipped != '\n' && skipped != CharReader::kEnd;) skipped = in_.get();
        wrong = "row larger than " + std::to_string(kLargestRow >> 20) +
                " MiB (a quote that is not closed?); all up to line " + std::to_string(in_.line() - 1) + " is left out";
        return true;
      }
      auto& cell = cells_.back();
      if (quoted) {
        if (c != '"')
          cell += static_cast<char>(c);
        else if (in_.peek() == '"')
          cell += static_cast<char>(in_.get());
        else
          quoted = false, was_quoted = true;
      } else if (c == separator_) {
        cells_.emplace_back();
        was_quoted = false;
      } else if (c == '\n' || (c == '\r' && in_.peek() == '\n')) {
        if (c == '\r') in_.get();
        return true;
      } else if (c == '"' && cell.empty() && !was_quoted) {
        quoted = true;
      } else if (was_quoted) {
        if (wrong.empty()) wrong = "text after the closing quote of a cell";
      } else {
        cell += static_cast<char>(c);
      }
    }
  }

  CharReader in_;
  char separator_;
  std::vector<std::string> header_, cells_;
};

}  // namespace

std::unique_ptr<RowReader> read_csv(const std::filesystem::path& file, char separator,
                                    const std::vector<std::string>& used) {
  return std::make_unique<Csv>(file, separator, used);
}

}  // namespace plumb::data
