// Mistakes of one configuration, collected and thrown as one listing.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"

namespace plumb::config {

// Where a value was written: a place in the YAML file, or an argument of the command line.
struct Place {
  enum class In { nowhere, file, command_line } in = In::nowhere;
  int line = 0, column = 0;  // from 1; column counts bytes
  int length = 0;            // bytes to mark
  int argument = 0;          // which override, from 0

  bool in_file() const { return in == In::file; }
  bool on_command_line() const { return in == In::command_line; }
};

// what() is the listing as it stands, so that every command prints it in the form of docs/config.md.
class ConfigError : public Error {
 public:
  explicit ConfigError(std::string listing) : Error(ExitCode::bad_input, std::move(listing)) {}
  const char* what() const noexcept override { return message().c_str(); }
};

class Problems {
 public:
  Problems(const std::string& text, std::string name, std::vector<std::string> overrides);

  void add(const Place& place, std::string message, std::string hint = "");
  bool empty() const { return problems_.empty(); }
  void throw_if_any() const;

  std::string where(const Place&) const;    // "medical.yaml:14:3", "command line", "medical.yaml"
  std::string origin(const Place&) const;   // "medical.yaml:14", "command line"
  std::string excerpt(const Place&) const;  // the source line and the caret marks, two lines; empty without a place
  const std::string& name() const { return name_; }
  const std::vector<std::string>& overrides() const { return overrides_; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  struct Problem {
    Place place;
    std::string message, hint;
  };
  std::string name_;
  std::vector<std::string> lines_, overrides_;
  std::vector<Problem> problems_;
};

// The layout of one mistake: "where: error: message", the excerpt, the hint.
std::string mistake_text(const std::string& where, const std::string& message, const std::string& excerpt,
                         const std::string& hint);
// The last line: "2 errors, nothing was started".
std::string count_line(size_t mistakes, size_t shown);

}  // namespace plumb::config
