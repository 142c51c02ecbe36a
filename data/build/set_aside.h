// What of the sources is not in a dataset, and why: lines of quarantine.jsonl and dropped.jsonl. Every chunk writes its
// own into a file, and the commit joins them.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/files.h"

namespace plumb::data {

// A malformed row as a line, and how it is said in a message.
std::string malformed_line(const std::string& where, const std::string& reason);
std::string malformed_said(const std::string& line);

// A document that was read whole and fell to a rule: the key under which report.json counts it. Figures and places, and
// nothing of its text.
struct DroppedDocument {
  std::string source, where, rule;
  nlohmann::ordered_json found = {}, limit = {};  // what was measured and the threshold; null: not a figure
  std::string kept_source = {}, kept = {};        // of a copy: where the document stands that was kept
  std::string line() const;
};

// Writes to a file that is made for its first line.
void append_lines(std::optional<core::AtomicFile>& file, const std::filesystem::path& path, const std::string& lines);
// The first `rows` lines of a file that a build wrote, until `take` gives false.
void read_set_aside(const std::filesystem::path& file, int64_t rows,
                    const std::function<bool(const std::string& line)>& take);

}  // namespace plumb::data
