// The buckets of a model on one rank, and where its parameters are bound at this moment.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "parallel/bucket.h"
#include "parallel/mesh.h"
#include "trainer/engine/engine.h"
#include "trainer/engine/slots.h"
#include "trainer/model/parameter.h"

namespace plumb::engine {

// Layouts of all buckets in stage order; pure arithmetic.
std::vector<parallel::BucketLayout> bucket_layouts(const EngineOptions& options, int shard_ranks);
// Optimizer groups: 0 everything, 1 the B matrices of LoRA when their learning rate differs (arXiv 2402.12354).
int optimizer_groups(const EngineOptions& options);

// The action list of this engine, without tensors.
StepOptions step_options(const EngineOptions& options, int shard_ranks, int data_ranks, int micro_batches,
                         bool evaluate);

class ModelState {
 public:
  // Collective: allocates the buckets and the slots.
  ModelState(const EngineOptions& options, const parallel::Mesh& mesh, model::ParameterTable& table);

  std::vector<parallel::Bucket>& buckets() { return buckets_; }
  const parallel::Mesh& mesh() const { return mesh_; }
  // The bucket and entry of a parameter; Error(bad_input) when there is none.
  struct Place {
    parallel::Bucket* bucket;
    const parallel::BucketEntry* entry;
  };
  Place find(const std::string& name);

  // ---- weights: with ZeRO 3 whole in a slot between gather and release; otherwise always whole ----
  void gather(int stage);         // starts it
  void wait_gathered(int stage);  // before the first use
  void release(int stage);
  void hold();  // all stages, in memory of their own, until drop()
  void drop();
  bool held() const { return !held_.empty(); }

  // ---- gradients ----
  void clear_gradients();             // before the first micro-batch
  void prepare_gradients(int stage);  // binds, and zeroes, the slot of a stage before something is added to it
  void reduce(int stage, bool last_micro_batch);  // starts it
  void finish_reductions();                       // own_gradient of every bucket is complete

  void gather_weights();  // whole again after the optimizer wrote its part (ZeRO 1, 2)

 private:
  struct Reduction {
    int stage = -1;
    std::vector<parallel::PendingPtr> pending;
    bool first = false;
    bool last = false;
  };
  void bind_values(size_t bucket, const at::Tensor& flat);
  void bind_gradients(size_t bucket, const at::Tensor& flat);
  void finish(Reduction& reduction);
  std::vector<at::Tensor> slot_views(const at::Tensor& slot, int stage, bool gradients) const;
  bool cut_weights() const { return sharding_.weights; }
  bool cut_gradients() const { return sharding_.gradients; }

  parallel::Mesh mesh_;
  parallel::Sharding sharding_;
  std::vector<parallel::Bucket> buckets_;
  std::vector<std::vector<size_t>> of_stage_;
  std::vector<std::vector<model::Parameter*>> parameters_;  // per bucket
  SlotPlan gather_plan_, gradient_plan_;
  std::vector<at::Tensor> gather_slots_, gradient_slots_, held_;
  std::vector<std::vector<parallel::PendingPtr>> gathering_;  // per stage
  std::vector<Reduction> reducing_;                           // per gradient slot
  std::vector<bool> gradient_bound_, gradient_started_;       // per stage
};

}  // namespace plumb::engine
