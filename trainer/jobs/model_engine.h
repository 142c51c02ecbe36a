// An engine that only runs forward, around an opened model: for generate and eval.
#pragma once

#include <memory>

#include "core/config/load.h"
#include "trainer/engine/engine.h"
#include "trainer/export/open_model.h"
#include "trainer/run/choices.h"

namespace plumb::commands {

// Collective over `world`. Weights of the model are loaded; precision, device and zero as the configuration says.
std::unique_ptr<engine::Engine> make_forward_engine(const exporting::OpenedModel& model, const config::Config& config,
                                                    const run::Place& place, parallel::CommunicatorPtr world,
                                                    int64_t sequence_length);

}  // namespace plumb::commands
