// The mesh of ranks: pipeline x data x shard x context x tensor, pipeline slowest, tensor fastest.
#pragma once

#include "parallel/communicator.h"

namespace plumb::parallel {

struct MeshShape {
  int pipeline = 1, data = 1, shard = 1, context = 1, tensor = 1;
  int expert = 1;  // second factorisation of data x shard x context x tensor
  int ranks() const { return pipeline * data * shard * context * tensor; }
};

// shard <= 0 means auto = what is left. Throws Error(bad_input) naming the nearest mesh that fits `ranks`.
MeshShape resolve_mesh(MeshShape wanted, int ranks);

// The communicators of one rank. Dimensions of extent 1 share one `one`-like communicator of size 1.
struct Mesh {
  MeshShape shape;
  CommunicatorPtr world;                                // all ranks
  CommunicatorPtr shard;                                // gathers and scatters of ZeRO
  CommunicatorPtr data;                                 // replicas of a shard (hybrid)
  CommunicatorPtr data_shard;                           // all data ranks = data x shard: loss, norm, token counts
  int data_rank() const { return data_shard->rank(); }  // which rows this rank feeds
  int data_ranks() const { return data_shard->size(); }
};

Mesh make_mesh(CommunicatorPtr world, MeshShape shape);  // collective

}  // namespace plumb::parallel
