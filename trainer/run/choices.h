// Everything that `auto` leaves open, decided once before step 1, printed and saved.
#pragma once

#include <string>

#include "core/config/load.h"
#include "parallel/mesh.h"
#include "trainer/engine/engine.h"
#include "trainer/run/folder.h"
#include "trainer/run/length.h"
#include "trainer/run/material.h"

namespace plumb::run {

// Where this rank runs, known before any communicator.
struct Place {
  int rank = 0, ranks = 1, local_rank = 0, local_ranks = 1;
  at::Device device = at::kCPU;
  int threads = 1;        // intra-op threads of this rank
  std::string processor;  // "avx512 avx512_bf16", or the GPU's name
};

struct Choices {
  std::string precision;  // fp32 bf16
  int zero = 0;
  int64_t micro_batch_size = 1;
  int64_t memory_limit = 0;    // bytes on this rank
  engine::MemoryTable memory;  // for these choices
  int64_t largest_micro_batch = 0;
};

// Device of the rank: parallel.device, or cuda when there is one. Sets the thread count of this process.
Place take_place(const config::Loaded&, int rank, int ranks, int local_rank, int local_ranks);

engine::EngineOptions engine_options(const config::Config&, const model::ModelSpec&, const Trained&, const Choices&);

// Fills what is `auto`, from the run that is resumed where there is one, and records it in `loaded` (resolved.yaml).
// More memory estimated than allowed is Error(out_of_resources) with the table. `shard`: ranks that share state.
Choices decide(config::Loaded& loaded, const FolderState& run, const Place& place, const parallel::MeshShape& mesh,
               const model::ModelSpec&, const Trained&, int64_t available);

// Bytes that every rank has to itself: the least of all ranks, so that all decide alike. Collective.
int64_t agreed_memory(const Place&, parallel::Communicator& world);

std::string print_memory(const Choices&, const Place&);

}  // namespace plumb::run
