// plumb data build
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>

#include "core/config/load.h"
#include "core/log.h"
#include "trainer/commands/arguments.h"
#include "trainer/commands/data_ledger.h"
#include "trainer/commands/launch.h"
#include "trainer/jobs/jobs.h"
#include "trainer/run/material.h"

namespace plumb::commands {

namespace {

data::Crew::Options crew() {
  const auto process = launched();
  data::Crew::Options options;
  options.part = process.part, options.parts = process.parts;
  return options;
}

}  // namespace

int data_build(const Words& words) {
  const auto arguments = parse_arguments(
      words, "plumb data build CFG [section.key=value ...]",
      "Builds the tokenizer and the datasets that `plumb train` or `tune` with this file would build first, into\n"
      "data.cache, and prints what became of every document. Under mpirun the processes share the work, on one host "
      "or\n"
      "on several that see the same folders; what comes out is the same. Killed, it goes on where it was.",
      {}, 1, 1);
  if (arguments.help) return 0;
  const auto loaded = config::load_config(arguments.positional[0], arguments.overrides, config::Purpose::data);
  const auto share = crew();
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  core::set_rank(share.part, share.parts, host);
  const auto paths = run::build_material(loaded, share);
  if (share.part != 0) return 0;
  std::cout << "tokenizer\n  folder          " << paths.tokenizer.string() << "\n";
  for (const auto& part : paths.train) {
    std::cout << dataset_text(part.name.empty() ? "train" : "train " + part.name, *data::Dataset::open(part.folder));
  }
  for (const auto& [name, path] : {std::pair("validation", &paths.validation), std::pair("replay", &paths.replay)}) {
    if (!path->empty()) std::cout << dataset_text(name, *data::Dataset::open(*path));
  }
  return 0;
}

}  // namespace plumb::commands
