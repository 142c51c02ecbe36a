// What the keys of data.privacy and data.decontaminate ask of each other and of the rest.
#include <fmt/format.h>

#include <set>

#include "core/config/cross_rules.h"
#include "core/files.h"

namespace plumb::config {
namespace {

namespace fs = std::filesystem;

class PrivacyRules {
 public:
  PrivacyRules(const Reading& reading, Problems& problems) : reading_(reading), problems_(problems) {}

  void run() {
    kinds();
    key();
    decontaminate();
  }

 private:
  const Reading& reading_;
  Problems& problems_;

  bool has(const std::string& address) const { return reading_.find(address) != nullptr; }
  void error(const std::string& address, std::string message, std::string hint = "") {
    const Given* given = reading_.find(address);
    problems_.add(given ? given->key : Place{}, std::move(message), std::move(hint));
  }

  void kinds() {
    const auto& privacy = reading_.config.data.privacy;
    std::set<std::string> seen;
    const auto own = [&](const std::string& name, const std::vector<std::string>& list) {
      for (const auto& kind : list)
        if (!seen.insert(kind).second)
          error("data.privacy." + name, fmt::format("{} has two actions", kind),
                "name a kind once in data.privacy.replace, hash, drop");
    };
    own("replace", privacy.replace);
    own("hash", privacy.hash);
    own("drop", privacy.drop);
  }

  void key() {
    const auto& privacy = reading_.config.data.privacy;
    const bool hashes = privacy.action == "hash" || !privacy.hash.empty();
    if (hashes && privacy.key.empty())
      return error(has("data.privacy.hash") ? "data.privacy.hash" : "data.privacy.action",
                   "missing key data.privacy.key: a plain hash of a resident number can be undone by trying all",
                   "openssl rand -hex 32 > FILE && chmod 600 FILE, and give its path");
    if (privacy.key.empty() || !hashes) return;
    const auto& data = reading_.config.data;
    apart("data.cache", data.cache);
    apart("data.dataset", data.dataset);
    apart("output.folder", reading_.config.output.folder);
    const auto all = [&](const char* list, const auto& entries) {
      for (size_t i = 0; i < entries.size(); ++i) apart(fmt::format("{}[{}].path", list, i), entries[i].path);
    };
    all("data.sources", data.sources);
    all("data.validation", data.validation);
    if (data.replay) all("data.replay.sources", data.replay->sources);
    if (data.replay) apart("data.replay.dataset", data.replay->dataset);
    all("data.decontaminate.sets", data.decontaminate.sets);
    all("eval.sets", reading_.config.eval.sets);
  }

  // Who gets the data must not get the key with it.
  void apart(const std::string& what, const std::string& path) {
    if (path.empty() || core::is_remote(path)) return;
    const auto reach = reach_of(path);
    const auto inside = place_in(reading_.config.data.privacy.key, reach.folder);
    if (inside.empty() || (!reach.deep && std::distance(inside.begin(), inside.end()) > 1)) return;
    error("data.privacy.key", fmt::format("expected a file outside {}, found one in it", what),
          "keep the key apart from the data: together they undo the hash");
  }

  void decontaminate() {
    const auto& section = reading_.config.data.decontaminate;
    if (section.action == "none") return;
    if (section.sets.empty() && reading_.config.eval.sets.empty())
      error("data.decontaminate.action",
            "data.decontaminate needs evaluation sets: found neither eval.sets nor data.decontaminate.sets",
            "give the texts that must not be trained on");
  }
};

}  // namespace

Reach reach_of(const std::string& path) {
  const auto special = path.find_first_of("*?[");
  if (special == std::string::npos) return {path, true};
  const auto slash = path.rfind('/', special);
  const bool deep = path.find('/', special) != std::string::npos || path.find("**", special) != std::string::npos;
  return {slash == std::string::npos ? fs::path(".") : fs::path(path.substr(0, slash + 1)), deep};
}

fs::path place_in(const fs::path& what, const fs::path& folder) {
  // As far as there is something.
  const auto real = [](const fs::path& path) {
    std::error_code code;
    const auto found = fs::weakly_canonical(path, code);
    return code ? fs::absolute(path).lexically_normal() : found;
  };
  const auto inside = real(what).lexically_relative(real(folder));
  return inside.empty() || *inside.begin() == ".." ? fs::path() : inside;
}

void privacy_rules(const Reading& reading, Problems& problems) { PrivacyRules(reading, problems).run(); }

}  // namespace plumb::config
