#include "core/error.h"

#include <utility>

namespace plumb {
namespace {

std::string listing(const std::string& where, const std::string& message, const std::string& hint) {
  std::string text = where.empty() ? "error: " : where + ": error: ";
  text += message;
  if (!hint.empty()) text += "\n      hint: " + hint;
  return text;
}

}  // namespace

Error::Error(ExitCode code, std::string message, std::string where, std::string hint)
    : std::runtime_error(listing(where, message, hint)),
      code_(code),
      message_(std::move(message)),
      where_(std::move(where)),
      hint_(std::move(hint)) {}

void fail_input(std::string where, std::string message, std::string hint) {
  throw Error(ExitCode::bad_input, std::move(message), std::move(where), std::move(hint));
}

void fail_internal(std::string message) {
  throw Error(ExitCode::internal, std::move(message), "", "this is a bug in plumb; please report it with this line");
}

}  // namespace plumb
