#include "core/error.h"

#include <cerrno>
#include <filesystem>
#include <new>
#include <utility>

namespace plumb {
namespace {

std::string listing(const std::string& where, const std::string& message, const std::string& hint) {
  std::string text = where.empty() ? "error: " : where + ": error: ";
  text += message;
  if (!hint.empty()) text += "\n      hint: " + hint;
  return text;
}

// "filesystem error: cannot create directories: Permission denied [/a/b]" without what stands elsewhere in the message.
std::string said_by(const std::filesystem::filesystem_error& error) {
  std::string text = error.what();
  const std::string before = "filesystem error: ";
  if (text.starts_with(before)) text.erase(0, before.size());
  return text.substr(0, text.find(" ["));
}

}  // namespace

Error as_error(const std::exception& thrown) {
  if (const auto* error = dynamic_cast<const Error*>(&thrown)) return *error;
  if (const auto* error = dynamic_cast<const std::filesystem::filesystem_error*>(&thrown)) {
    const auto& code = error->code();
    const std::string where = error->path1().string();
    const auto is = [&](auto... kinds) { return ((code == kinds) || ...); };
    using std::errc;
    if (is(errc::permission_denied, errc::operation_not_permitted, errc::read_only_file_system)) {
      return {ExitCode::bad_input, said_by(*error), where, "another folder, or one that this user may write to"};
    }
    if (is(errc::no_space_on_device) || code.value() == EDQUOT) {
      return {ExitCode::out_of_resources, said_by(*error), where, "make room there, or choose another folder"};
    }
    if (is(errc::not_a_directory, errc::file_exists, errc::no_such_file_or_directory, errc::filename_too_long,
           errc::too_many_symbolic_link_levels, errc::is_a_directory)) {
      return {ExitCode::bad_input, said_by(*error), where, "check this path"};
    }
  }
  if (dynamic_cast<const std::bad_alloc*>(&thrown)) {
    return {ExitCode::out_of_resources, "out of memory", "",
            "a smaller train.micro_batch_size or model, or more ranks"};
  }
  return {ExitCode::internal, std::string("internal error: ") + thrown.what(), "",
          "this is a bug in plumb; please report it"};
}

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
