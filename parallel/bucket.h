// Flat buckets: the unit in which weights, gradients and optimizer state are stored, cut, gathered and reduced.
//
// A bucket holds the parameters of one stage that agree in (trainable, codec, optimizer group). Entries lie side by
// side in row-major order without gaps, so that q|k|v and gate|up are each one contiguous matrix. Every rank of the
// shard group owns an equal part; the tail is padded with zeros.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parallel/communicator.h"

namespace plumb::parallel {

// How the compute copy is stored. Master values are always fp32.
enum class Codec { fp32, bf16 };
at::ScalarType codec_dtype(Codec codec);
int64_t codec_bytes(Codec codec);

// A shard is a multiple of this many elements: vector loads stay aligned and no codec block is cut.
inline constexpr int64_t kShardAlignment = 64;

struct BucketEntry {
  std::string name;  // canonical parameter name
  std::vector<int64_t> shape;
  bool decay = true;             // weight decay applies
  int64_t begin = 0, numel = 0;  // filled by make_layout
};

struct ElementRange {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
  bool operator==(const ElementRange&) const = default;
};

struct BucketLayout {
  int stage = 0;
  bool trainable = true;
  Codec codec = Codec::fp32;
  int optimizer_group = 0;  // parameters of one group share learning-rate factor and hyperparameters
  std::vector<BucketEntry> entries;
  int64_t numel = 0;  // without padding
  int64_t shard = 0;  // elements each rank owns
  int ranks = 1;

  int64_t padded() const { return shard * ranks; }
  ElementRange owned(int rank) const;  // of the unpadded bucket; may be empty at the tail
  const BucketEntry* find(const std::string& name) const;
};

// Places the entries one after the other and cuts the bucket for `ranks`. Sizes are overflow-checked.
BucketLayout make_layout(int stage, bool trainable, Codec codec, int optimizer_group, std::vector<BucketEntry> entries,
                         int ranks);

// What is cut into shards; the rest is whole on every rank. ZeRO 1 cuts the optimizer, 2 gradients too, 3 weights too.
struct Sharding {
  bool optimizer = false, gradients = false, weights = false;
};
Sharding sharding_of(int zero, int ranks);  // one rank has nothing to cut

// Bytes on one rank, exactly what a Bucket allocates.
struct BucketBytes {
  int64_t weights = 0, master = 0, gradients = 0, optimizer = 0;
};
BucketBytes bucket_bytes(const BucketLayout& layout, Sharding sharding, bool with_optimizer);

// Storage of one bucket on one rank. All tensors are 1-D views of memory from Communicator::allocate.
class Bucket {
 public:
  // Collective over `shard` (allocation). Frozen buckets, and all when with_optimizer is false, have weights only.
  Bucket(BucketLayout layout, Sharding sharding, bool with_optimizer, Communicator& shard);

  const BucketLayout& layout() const { return layout_; }
  Sharding sharding() const { return sharding_; }
  bool learns() const { return gradient_.defined(); }

  const at::Tensor& weights() const { return weights_; }            // compute copy: [padded], cut: [shard]
  const at::Tensor& own_weights() const { return own_weights_; }    // the part that `master` stands for
  const at::Tensor& master() const { return master_; }              // fp32; a view of own_weights for codec fp32
  const at::Tensor& gradient() const { return gradient_; }          // fp32: [padded], cut: [shard]
  const at::Tensor& own_gradient() const { return own_gradient_; }  // the part that belongs to `master`
  const at::Tensor& moment1() const { return moment1_; }
  const at::Tensor& moment2() const { return moment2_; }
  ElementRange own() const { return own_; }  // of `master` in the padded bucket
  int64_t shard_begin() const { return shard_begin_; }

  // Compute copy whole into `slot` [padded] of the codec's dtype. The slot may be used after wait().
  PendingPtr gather(const at::Tensor& slot, Communicator& shard) const;
  // The compute copy of this rank's part follows the master (codec bf16); then whole again on all ranks where weights
  // are whole but the optimizer is cut.
  void refresh_own_weights();
  PendingPtr gather_weights(Communicator& shard);
  bool needs_weight_gather() const { return sharding_.optimizer && !sharding_.weights; }

  // The whole fp32 values of a per-element tensor of this bucket: master, gradient or moments; collective.
  at::Tensor whole(const at::Tensor& own_part, Communicator& shard) const;

 private:
  BucketLayout layout_;
  Sharding sharding_;
  ElementRange own_;
  int64_t shard_begin_ = 0;
  at::Tensor weights_, own_weights_, master_, gradient_, own_gradient_, moment1_, moment2_;
};

}  // namespace plumb::parallel
