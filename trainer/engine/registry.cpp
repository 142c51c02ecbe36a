#include "trainer/engine/registry.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"

namespace plumb::engine {

namespace {

using parallel::Bucket;
using parallel::BucketEntry;
using parallel::ElementRange;

constexpr int64_t kPiece = int64_t{1} << 22;  // elements moved at a time

ElementRange intersect(const BucketEntry& entry, ElementRange range) {
  const int64_t begin = std::max(entry.begin, range.begin);
  return {begin, std::max(begin, std::min(entry.begin + entry.numel, range.end))};
}

// What a rank fills: the master where it learns, else the weights it stores.
ElementRange stored_range(const Bucket& bucket) {
  if (bucket.learns()) return bucket.own();
  if (!bucket.sharding().weights) return {0, bucket.layout().padded()};
  return {bucket.shard_begin(), bucket.shard_begin() + bucket.layout().shard};
}

at::Tensor entry_on_cpu(const at::Tensor& whole, const BucketEntry& entry) {
  return whole.narrow(0, entry.begin, entry.numel).to(at::kFloat).cpu().clone().view(entry.shape);
}

void require_learning(const Bucket& bucket, const std::string& name) {
  if (!bucket.learns()) fail_input(name, "this parameter is frozen: it has no gradient and no optimizer state");
}

}  // namespace

void fill_parameters(ModelState& state, const std::function<bool(const std::string&)>& wanted,
                     const ValueReader& read) {
  std::vector<float> piece;
  for (Bucket& bucket : state.buckets()) {
    const ElementRange stored = stored_range(bucket);
    const at::Tensor& target = bucket.learns() ? bucket.master() : bucket.weights();
    for (const BucketEntry& entry : bucket.layout().entries) {
      if (!wanted(entry.name)) continue;
      const ElementRange range = intersect(entry, stored);
      for (int64_t at = range.begin; at < range.end; at += kPiece) {
        const int64_t count = std::min(kPiece, range.end - at);
        piece.resize(static_cast<size_t>(count));
        read(entry, at - entry.begin, piece);
        target.narrow(0, at - stored.begin, count)
            .copy_(at::from_blob(piece.data(), {count}, at::TensorOptions(at::kFloat)));
      }
    }
    bucket.refresh_own_weights();
  }
  state.gather_weights();
}

at::Tensor whole_parameter(ModelState& state, const std::string& name) {
  const auto [bucket, entry] = state.find(name);
  const bool master = bucket->learns() && bucket->layout().codec != parallel::Codec::fp32;
  const at::Tensor& source = master ? bucket->master() : bucket->weights();
  return entry_on_cpu(bucket->whole(source, *state.mesh().shard), *entry);
}

at::Tensor whole_gradient(ModelState& state, const std::string& name) {
  const auto [bucket, entry] = state.find(name);
  require_learning(*bucket, name);
  return entry_on_cpu(bucket->whole(bucket->own_gradient(), *state.mesh().shard), *entry);
}

std::vector<StatePart> state_parts(ModelState& state) {
  std::vector<StatePart> parts;
  for (Bucket& bucket : state.buckets()) {
    if (!bucket.learns()) continue;
    const ElementRange mine = bucket.layout().owned(state.mesh().shard->rank());
    for (const BucketEntry& entry : bucket.layout().entries) {
      const ElementRange range = intersect(entry, mine);
      if (range.size() == 0) continue;
      const auto add = [&](const char* role, const at::Tensor& tensor) {
        parts.push_back({entry.name, role, entry.shape, range.begin - entry.begin, range.end - entry.begin,
                         tensor.narrow(0, range.begin - bucket.own().begin, range.size())});
      };
      add("weight", bucket.master());
      add("adamw.m", bucket.moment1());
      add("adamw.v", bucket.moment2());
    }
  }
  return parts;
}

void spread_state(ModelState& state) {
  parallel::Communicator& shard = *state.mesh().shard;
  for (Bucket& bucket : state.buckets()) {
    if (!bucket.learns()) continue;
    if (!bucket.sharding().optimizer && shard.size() > 1) {  // every rank holds all of it, but only its part was read
      for (const at::Tensor& tensor : {bucket.master(), bucket.moment1(), bucket.moment2()}) {
        shard.all_gather(tensor, tensor.narrow(0, bucket.shard_begin(), bucket.layout().shard))->wait();
      }
    }
    bucket.refresh_own_weights();
  }
  state.gather_weights();
}

}  // namespace plumb::engine
