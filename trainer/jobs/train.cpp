// plumb train | tune
#include <iostream>

#include "trainer/commands/arguments.h"
#include "trainer/jobs/jobs.h"
#include "trainer/run/run.h"

namespace plumb::commands {

namespace {

int start(const Words& words, config::Purpose purpose, const std::string& usage, const std::string& details,
          std::vector<Option> options) {
  options.insert(options.begin(),
                 {"dry-run", "", "open data, eval sets and base; print plan, memory table and first batch; stop"});
  const auto arguments = parse_arguments(words, usage, details, options, 1, 1);
  if (arguments.help) {
    std::cout << "\nkeys of CFG; section.key=value on the command line sets one of them\n" << config::help_keys();
    return 0;
  }
  run::Request request;
  request.file = arguments.positional[0];
  request.overrides = arguments.overrides;
  request.purpose = purpose;
  request.dry_run = arguments.has("dry-run");
  request.show_masks = arguments.integer("show-masks", 0, 1);
  return run::run(request);
}

}  // namespace

int train(const Words& words) {
  return start(
      words, config::Purpose::train, "plumb train CFG [section.key=value ...] [--dry-run]",
      "Pretrains from random weights. Alone or under mpirun -n N. The same command again goes on where the run\n"
      "stopped, on any number of ranks. Ctrl-C, SIGUSR1 and SIGTERM save and stop with code 75.",
      {});
}

int tune(const Words& words) {
  return start(
      words, config::Purpose::tune, "plumb tune CFG [section.key=value ...] [--dry-run] [--show-masks N]",
      "Specialises model.base (a plumb run or a Hugging Face folder), shows scores before and after, exports.\n"
      "Alone or under mpirun -n N. The same command again goes on where the run stopped.",
      {{"show-masks", "N", "print N samples with the trained tokens marked; stop"}});
}

}  // namespace plumb::commands
