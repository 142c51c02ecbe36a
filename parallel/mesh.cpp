#include "parallel/mesh.h"

#include <array>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "core/error.h"
#include "parallel/one_communicator.h"

namespace plumb::parallel {
namespace {

using Extents = std::array<int, 5>;  // pipeline, data, shard, context, tensor

constexpr std::array<const char*, 5> kNames = {"pipeline", "data", "shard", "context", "tensor"};

Extents extents_of(const MeshShape& shape) {
  return {shape.pipeline, shape.data, shape.shard, shape.context, shape.tensor};
}

constexpr int64_t kTooMany = int64_t{1} << 31;

std::string describe(const Extents& extents) {
  std::string text;
  for (size_t i = 0; i < extents.size(); ++i) {
    // data and shard are always named; the others only where they are used.
    if (extents[i] == 1 && i != 1 && i != 2) continue;
    text += (text.empty() ? "" : " x ") + std::string(kNames[i]) + " " + std::to_string(extents[i]);
  }
  return text;
}

// How far a mesh is from what was wanted. Changing shard costs least, then data: they change no one's model code.
double distance(const Extents& wanted, const Extents& mesh) {
  constexpr std::array<double, 5> kCost = {1.3, 1.1, 1.0, 1.4, 1.5};
  double total = 0;
  for (size_t i = 0; i < mesh.size(); ++i) {
    if (wanted[i] > 0) total += kCost[i] * std::abs(std::log(static_cast<double>(mesh[i]) / wanted[i]));
  }
  return total;
}

// The mesh of exactly `ranks` ranks that is nearest to what was wanted.
Extents nearest_mesh(const Extents& wanted, int ranks) {
  Extents best = {1, 1, ranks, 1, 1};
  Extents mesh{};
  const std::function<void(size_t, int)> choose = [&](size_t dimension, int left) {
    if (dimension + 1 == mesh.size()) {
      mesh[dimension] = left;
      if (distance(wanted, mesh) < distance(wanted, best)) best = mesh;
      return;
    }
    for (int extent = 1; extent <= left; ++extent) {
      if (left % extent != 0) continue;
      mesh[dimension] = extent;
      choose(dimension + 1, left / extent);
    }
  };
  choose(0, ranks);
  return best;
}

void check_extent(const char* name, int extent) {
  if (extent >= 1) return;
  fail_input(std::string("parallel.") + name, "expected at least 1, found " + std::to_string(extent),
             "leave it out for 1");
}

void check_expert(const MeshShape& shape) {
  const int ranks = shape.data * shape.shard * shape.context * shape.tensor;
  if (shape.expert >= 1 && ranks % shape.expert == 0) return;
  int below = std::min(std::max(shape.expert, 1), ranks), above = std::max(shape.expert, 1);
  while (ranks % below != 0) --below;
  while (above < ranks && ranks % above != 0) ++above;
  std::string nearest = std::to_string(below);
  if (above <= ranks && above != below) nearest += " or " + std::to_string(above);
  fail_input(
      "parallel.expert",
      std::to_string(shape.expert) + " does not divide data x shard x context x tensor = " + std::to_string(ranks),
      "nearest that fits: " + nearest);
}

[[noreturn]] void refuse_mesh(const Extents& given, bool automatic, int64_t product, int ranks) {
  const std::string started = std::to_string(ranks), wanted = std::to_string(product);
  Extents shown = given;
  if (automatic) shown[2] = 0;
  fail_input("parallel",
             automatic
                 ? "pipeline x data x context x tensor = " + wanted + ", which does not divide " + started + " ranks"
                 : describe(given) + " = " + wanted + " ranks, and mpirun started " + started,
             "nearest mesh of " + started + (ranks == 1 ? " rank: " : " ranks: ") +
                 describe(nearest_mesh(shown, ranks)) + "; or mpirun -n " + wanted);
}

}  // namespace

MeshShape resolve_mesh(MeshShape wanted, int ranks) {
  if (ranks < 1) fail_internal("a mesh of no ranks");
  const Extents given = extents_of(wanted);
  int64_t others = 1, product = 1;
  for (size_t i = 0; i < given.size(); ++i) {
    const bool is_shard = i == 2;
    if (is_shard && wanted.shard <= 0) continue;  // auto
    check_extent(kNames[i], given[i]);
    // The product only has to stay too large: times an int it still fits.
    product = std::min<int64_t>(product * given[i], kTooMany);
    if (!is_shard) others = std::min<int64_t>(others * given[i], kTooMany);
  }
  const bool automatic = wanted.shard <= 0;
  if (automatic && others <= ranks && ranks % others == 0) {
    wanted.shard = static_cast<int>(ranks / others);
    product = ranks;
  }
  if (product != ranks || wanted.shard <= 0) refuse_mesh(given, automatic, automatic ? others : product, ranks);
  check_expert(wanted);
  return wanted;
}

Mesh make_mesh(CommunicatorPtr world, MeshShape shape) {
  if (shape.ranks() != world->size()) {
    fail_internal("a mesh of " + std::to_string(shape.ranks()) + " ranks over a world of " +
                  std::to_string(world->size()));
  }
  // Coordinates of this rank: tensor runs fastest, pipeline slowest.
  const int rank = world->rank(), inner = shape.context * shape.tensor;
  const int inner_place = rank % inner;
  const int shard_place = rank / inner % shape.shard;
  const int data_place = rank / inner / shape.shard % shape.data;
  const int pipeline_place = rank / inner / shape.shard / shape.data;

  const auto alone = make_one(world->device(), world->host(rank));
  // Ranks that differ in one coordinate only. All ranks come here in the same order: splitting is collective.
  const auto group = [&](int extent, int color, int key) -> CommunicatorPtr {
    if (extent == 1) return alone;
    if (extent == world->size()) return world;
    return world->split(color, key);
  };
  Mesh mesh;
  mesh.shape = shape;
  mesh.world = world;
  mesh.shard = group(shape.shard, (pipeline_place * shape.data + data_place) * inner + inner_place, shard_place);
  mesh.data = group(shape.data, (pipeline_place * shape.shard + shard_place) * inner + inner_place, data_place);
  if (shape.data == 1) {
    mesh.data_shard = mesh.shard;
  } else if (shape.shard == 1) {
    mesh.data_shard = mesh.data;
  } else {
    mesh.data_shard =
        group(shape.data * shape.shard, pipeline_place * inner + inner_place, data_place * shape.shard + shard_place);
  }
  return mesh;
}

}  // namespace plumb::parallel
