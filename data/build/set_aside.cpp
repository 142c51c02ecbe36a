#include "data/build/set_aside.h"

#include <fstream>

#include "core/error.h"
#include "core/json.h"

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;

std::string line_of(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string malformed_line(const std::string& where, const std::string& reason) {
  return line_of({{"where", where}, {"reason", reason}});
}

std::string malformed_said(const std::string& line) {
  const auto row = core::parse_json(line, "malformed row");
  return row.value("where", "") + ": " + row.value("reason", "");
}

std::string DroppedDocument::line() const {
  json object{{"where", where}, {"source", source}, {"rule", rule}};
  if (!found.is_null()) object["found"] = found;
  if (!limit.is_null()) object["limit"] = limit;
  if (!kept.empty()) object["kept"] = kept, object["kept_source"] = kept_source;
  return line_of(object);
}

void append_lines(std::optional<core::AtomicFile>& file, const std::filesystem::path& path, const std::string& lines) {
  if (lines.empty()) return;
  if (!file) file.emplace(path);
  file->write(lines);
}

void read_set_aside(const std::filesystem::path& file, int64_t rows,
                    const std::function<bool(const std::string& line)>& take) {
  if (rows == 0) return;
  std::ifstream lines(file, std::ios::binary);
  std::string line;
  for (int64_t row = 0; row < rows; ++row) {
    if (!std::getline(lines, line)) fail_input(file, "damaged", "remove its folder and build again");
    if (!take(line)) return;
  }
}

}  // namespace plumb::data
