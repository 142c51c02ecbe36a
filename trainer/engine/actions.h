// A step as a list of actions, made by a pure function of mesh and options. No tensors: printable and testable.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace plumb::engine {

enum class ActionKind { gather, release, forward, recompute, input_grad, weight_grad, reduce, send, receive, finish };

struct Action {
  ActionKind kind;
  int stage = 0;        // 0 embedding, 1..L blocks, L+1 head; -1 for finish
  int micro_batch = 0;  // -1 where it does not apply
  int peer = -1;        // pipeline rank for send and receive
  bool operator==(const Action&) const = default;
};

enum class Recompute { none, selective, full };

struct StepOptions {
  int stages = 0;         // L + 2
  int micro_batches = 1;  // of this rank
  int zero = 0;           // 0..3
  int shard = 1;          // ranks in the shard group; 1 = no gathers, no reductions over it
  int data_ranks = 1;
  Recompute recompute = Recompute::none;
  bool evaluate = false;            // forward only
  bool defer_weight_grads = false;  // W stands apart from I: weight gradients are added when the list says so
  std::vector<bool> trainable;      // per stage: has a trainable parameter (frozen stages are not reduced)
  std::vector<int> last_user;  // per stage: the last stage in backward order that uses its bucket (tied embeddings);
                               // empty: every stage is its own last user
  std::vector<std::vector<int>> borrows;  // per stage: owners of buckets it uses besides its own; may be empty
};

// What the kinds mean: gather, release: the weights of a stage are whole in a slot, or no longer. F: forward, recorded
// when a backward follows. R (recompute): the forward once more, recorded. I: backward of a stage; without a W for the
// same stage and micro-batch the weight gradients are added at once. reduce: the stage's gradient leaves.
// finish: norm, clipping, optimizer, weights whole again where they are.

std::vector<Action> plan_step(const StepOptions&);
std::string to_string(const Action&);                // "F(3,0)", "gather(4)", "reduce(2)"
std::string print_plan(const std::vector<Action>&);  // lines of at most 100 columns, repeated blocks folded

}  // namespace plumb::engine
