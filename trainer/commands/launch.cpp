#include "trainer/commands/launch.h"

#include <cstdlib>
#include <utility>

namespace plumb::commands {

Launched launched() {
  const std::pair<const char*, const char*> launchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                                           {"PMI_RANK", "PMI_SIZE"},
                                                           {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"}};
  for (const auto& [rank, size] : launchers) {
    const char *part = std::getenv(rank), *parts = std::getenv(size);
    if (!part || !parts) continue;
    const Launched found{std::atoi(part), std::atoi(parts)};
    if (found.parts > 1 && found.part >= 0 && found.part < found.parts) return found;
  }
  return {};
}

}  // namespace plumb::commands
