#include "trainer/checkpoint/agreement.h"

#include <nlohmann/json.hpp>

#include "core/error.h"

namespace plumb::checkpoint {
namespace {

using nlohmann::json;

json failure(ExitCode code, const std::string& message, const std::string& where, const std::string& hint) {
  return {{"code", static_cast<int>(code)}, {"message", message}, {"where", where}, {"hint", hint}};
}

json outcome_of(const std::function<std::string()>& work) {
  try {
    return {{"result", work()}};
  } catch (const std::exception& error) {
    const Error told = as_error(error);
    return failure(told.code(), told.message(), told.where(), told.hint());
  }
}

}  // namespace

std::vector<std::string> agree(parallel::Communicator& ranks, const std::function<std::string()>& work) {
  // Names of files need not be UTF-8; a replaced character in a message is better than another exception.
  const std::string own = outcome_of(work).dump(-1, ' ', false, json::error_handler_t::replace);
  std::vector<std::string> results;
  int rank = 0;
  for (const std::string& text : parallel::gather_strings(ranks, own)) {
    const json outcome = json::parse(text);
    if (outcome.contains("code")) {
      const std::string who = ranks.size() > 1 ? "rank " + std::to_string(rank) + ": " : "";
      throw Error(static_cast<ExitCode>(outcome["code"].get<int>()), who + outcome["message"].get<std::string>(),
                  outcome["where"], outcome["hint"]);
    }
    results.push_back(outcome["result"]);
    ++rank;
  }
  return results;
}

}  // namespace plumb::checkpoint
