#include "parallel/bucket.h"

#include <ATen/ATen.h>

#include <limits>

#include "core/error.h"

namespace plumb::parallel {

namespace {

int64_t checked_multiply(int64_t a, int64_t b) {
  int64_t product = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &product)) {
    throw Error(ExitCode::bad_input, "a parameter has more than 2^63 elements", "", "check the sizes of the model");
  }
  return product;
}

at::Tensor allocate_elements(Communicator& shard, int64_t elements, at::ScalarType dtype) {
  const int64_t bytes = checked_multiply(elements, static_cast<int64_t>(c10::elementSize(dtype)));
  return shard.allocate(bytes).view(dtype);
}

}  // namespace

at::ScalarType codec_dtype(Codec codec) { return codec == Codec::fp32 ? at::kFloat : at::kBFloat16; }
int64_t codec_bytes(Codec codec) { return codec == Codec::fp32 ? 4 : 2; }

ElementRange BucketLayout::owned(int rank) const {
  const int64_t begin = std::min(numel, shard * rank);
  return {begin, std::min(numel, begin + shard)};
}

const BucketEntry* BucketLayout::find(const std::string& name) const {
  for (const BucketEntry& entry : entries) {
    if (entry.name == name) return &entry;
  }
  return nullptr;
}

BucketLayout make_layout(int stage, bool trainable, Codec codec, int optimizer_group, std::vector<BucketEntry> entries,
                         int ranks) {
  if (ranks < 1) fail_internal("a bucket needs at least one rank");
  BucketLayout layout{stage, trainable, codec, optimizer_group, std::move(entries), 0, 0, ranks};
  for (BucketEntry& entry : layout.entries) {
    entry.begin = layout.numel;
    entry.numel = 1;
    for (const int64_t extent : entry.shape) entry.numel = checked_multiply(entry.numel, extent);
    if (__builtin_add_overflow(layout.numel, entry.numel, &layout.numel)) {
      throw Error(ExitCode::bad_input, "a stage has more than 2^63 elements", entry.name);
    }
  }
  const int64_t unit = kShardAlignment * ranks;
  layout.shard = (layout.numel / unit + (layout.numel % unit != 0)) * kShardAlignment;
  checked_multiply(layout.shard, checked_multiply(ranks, 4));  // bytes of the padded bucket must be countable
  return layout;
}

Sharding sharding_of(int zero, int ranks) {
  if (ranks <= 1) return {};
  return {zero >= 1, zero >= 2, zero >= 3};
}

BucketBytes bucket_bytes(const BucketLayout& layout, Sharding sharding, bool with_optimizer) {
  BucketBytes bytes;
  const int64_t padded = layout.padded(), shard = layout.shard;
  bytes.weights = (sharding.weights ? shard : padded) * codec_bytes(layout.codec);
  if (!layout.trainable || !with_optimizer) return bytes;
  const int64_t own = sharding.optimizer ? shard : padded;
  if (layout.codec != Codec::fp32) bytes.master = own * 4;
  bytes.gradients = (sharding.gradients ? shard : padded) * 4;
  bytes.optimizer = own * 8;
  return bytes;
}

Bucket::Bucket(BucketLayout layout, Sharding sharding, bool with_optimizer, Communicator& shard)
    : layout_(std::move(layout)), sharding_(sharding) {
  if (layout_.ranks != shard.size()) fail_internal("the bucket was laid out for another number of ranks");
  const int64_t part = layout_.shard, padded = layout_.padded();
  shard_begin_ = part * shard.rank();
  own_ = sharding.optimizer ? ElementRange{shard_begin_, shard_begin_ + part} : ElementRange{0, padded};
  weights_ = allocate_elements(shard, sharding.weights ? part : padded, codec_dtype(layout_.codec));
  own_weights_ = sharding.weights ? weights_ : weights_.narrow(0, own_.begin, own_.size());
  if (!layout_.trainable || !with_optimizer) return;
  master_ = layout_.codec == Codec::fp32 ? own_weights_ : allocate_elements(shard, own_.size(), at::kFloat);
  gradient_ = allocate_elements(shard, sharding.gradients ? part : padded, at::kFloat);
  own_gradient_ = sharding.gradients ? gradient_ : gradient_.narrow(0, own_.begin, own_.size());
  moment1_ = allocate_elements(shard, own_.size(), at::kFloat);
  moment2_ = allocate_elements(shard, own_.size(), at::kFloat);
}

PendingPtr Bucket::gather(const at::Tensor& slot, Communicator& shard) const {
  return shard.all_gather(slot, weights_);
}

void Bucket::refresh_own_weights() {
  if (layout_.codec != Codec::fp32 && master_.defined()) own_weights_.copy_(master_);
}

PendingPtr Bucket::gather_weights(Communicator& shard) { return shard.all_gather(weights_, own_weights_); }

at::Tensor Bucket::whole(const at::Tensor& own_part, Communicator& shard) const {
  if (own_part.numel() == layout_.padded()) return own_part;
  at::Tensor result = at::empty({layout_.padded()}, own_part.options());
  shard.all_gather(result, own_part.contiguous())->wait();
  return result;
}

}  // namespace plumb::parallel
