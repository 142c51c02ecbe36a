#include "trainer/jobs/jobs.h"

namespace plumb::commands {

const Runs& engine_commands() {
  static const Runs runs = {
      {"train", train},
      {"tune", tune},
      {"eval", eval},
      {"generate", generate},
      {"export", export_},
      {"data build", data_build},
      {"data report", data_report},
      {"data lineage", data_lineage},
      {"tokenizer train", tokenizer_train},
      {"params", params},
      {"inspect", inspect},
  };
  return runs;
}

}  // namespace plumb::commands
