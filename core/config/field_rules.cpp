// `fields` of sources and sets: the names on the left are ours. A wrong one would never be read, so it is an error
// before any file is opened.
#include <fmt/format.h>

#include <algorithm>

#include "core/config/cross_rules.h"

namespace plumb::config {
namespace {

std::vector<std::string> names_of(const std::string& format) {
  if (format == "text") return {"text", "id", "url"};
  if (format == "alpaca") return {"system", "instruction", "input", "output", "id", "url"};
  if (format == "dolly") return {"system", "instruction", "context", "response", "id", "url"};
  if (format == "prompt_completion") return {"system", "prompt", "completion", "role", "content", "id", "url"};
  if (format == "messages") return {"messages", "role", "content", "id", "url"};
  return {};  // an unknown format is its own error
}

void check(const Reading& reading, Problems& problems, const std::string& address, const std::string& format,
           const std::map<std::string, std::string>& fields, std::vector<std::string> more = {}) {
  auto names = names_of(format);
  if (names.empty()) return;
  names.insert(names.end(), more.begin(), more.end());
  for (const auto& [ours, column] : fields) {
    if (std::find(names.begin(), names.end(), ours) != names.end()) continue;
    const Given* given = reading.find(address);
    problems.add(given ? given->key : Place{},
                 fmt::format("{} names {}, which format {} does not read", address, ours, format),
                 fmt::format("it is {{OURS: COLUMN}}, ours being {}", fmt::join(names, ", ")));
  }
}

}  // namespace

void field_rules(const Reading& reading, Problems& problems) {
  const auto& config = reading.config;
  const auto all = [&](const std::string& list, const std::vector<Source>& sources) {
    for (size_t i = 0; i < sources.size(); ++i) {
      check(reading, problems, fmt::format("{}[{}].fields", list, i), sources[i].format, sources[i].fields);
    }
  };
  all("data.sources", config.data.sources);
  all("data.validation", config.data.validation);
  if (config.tokenizer.extend) all("tokenizer.extend.sources", config.tokenizer.extend->sources);
  if (config.data.replay) all("data.replay.sources", config.data.replay->sources);
  for (size_t i = 0; i < config.eval.sets.size(); ++i) {
    const auto& set = config.eval.sets[i];
    check(reading, problems, fmt::format("eval.sets[{}].fields", i), set.format, set.fields, {"choices", "answer"});
  }
}

}  // namespace plumb::config
