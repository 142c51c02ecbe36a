// From a loaded configuration to a Context that can step.
#pragma once

#include <memory>

#include "trainer/run/training.h"

namespace plumb::run {

// Collective over `world`. `state` as rank 0 found the folder; paths as rank 0 built them.
std::unique_ptr<Context> make_context(config::Loaded loaded, const Place& place, parallel::CommunicatorPtr world,
                                      const FolderState& state, const MaterialPaths& paths);

// Weights: from the checkpoint that is resumed, the base, or the seed. Returns what has been done so far.
Progress load_weights(Context&);

// The manifest entry of this start: versions, machine, ranks, digests, environment.
nlohmann::ordered_json start_manifest(const Context&);

void print_dry_run(Context&);  // collective

}  // namespace plumb::run
