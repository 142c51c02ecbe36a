// Errors that a user can act on, and the exit codes of a process.
#pragma once

#include <stdexcept>
#include <string>

namespace plumb {

// Documented in docs/exit-codes.md; the same on every rank.
enum class ExitCode : int {
  ok = 0,
  rule_failed = 1,       // done, but a rule of eval.pass failed or a verification found a difference
  bad_input = 2,         // configuration, data or a file from outside is wrong
  out_of_resources = 3,  // memory, disk or quota
  rank_failed = 4,       // a rank failed or hung
  numerics = 5,          // loss or gradient not finite
  internal = 70,         // a bug of ours
  stopped = 75,          // stopped on request or time limit, resumable
};

// One clear answer to one wrong thing: where it is, what is wrong, what helps.
//   message  "expected an int, found \"eight\""     (expected and found in one sentence)
//   where    "medical.yaml:14:3" or "model.safetensors: tensor a"; may be empty
//   hint     what to do; may be empty
// what() is "where: error: message\n      hint: hint", the form every command prints.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, std::string message, std::string where = "", std::string hint = "");

  ExitCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& where() const { return where_; }
  const std::string& hint() const { return hint_; }

 private:
  ExitCode code_;
  std::string message_, where_, hint_;
};

// Shorthands for the two most frequent kinds.
[[noreturn]] void fail_input(std::string where, std::string message, std::string hint = "");
[[noreturn]] void fail_internal(std::string message);

// What any exception means to a user: an Error is itself; a folder that may not be made or read is bad input, a full
// disk a lack of resources (std::filesystem throws both); anything else is a bug.
Error as_error(const std::exception& thrown);

}  // namespace plumb
