// Collectives among ranks that can read and write each other's memory: threads of one process, processes of one host.
// Every rank sums its own part over all ranks in rank order, so the bits are the same on all ranks and in every run.
#pragma once

#include <optional>

#include "parallel/communicator.h"
#include "parallel/team.h"

namespace plumb::parallel {

class PeerCommunicator : public Communicator {
 public:
  int rank() const override { return team_.rank(); }
  int size() const override { return team_.size(); }
  at::Device device() const override { return at::Device(at::kCPU); }
  std::string host(int) const override { return host_; }

  void all_reduce(at::Tensor tensor, ReduceOptions options) override;
  PendingPtr reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions options) override;
  PendingPtr all_gather(at::Tensor output, at::Tensor input) override;
  void broadcast(at::Tensor tensor, int root) override;
  void all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                  const std::vector<int64_t>& send_counts) override;
  void barrier() override;
  std::string missing() const override;

 protected:
  PeerCommunicator(Team team, std::string host) : team_(team), host_(std::move(host)) {}

  // A handle under which the other ranks find this memory; none when they do not see it.
  virtual std::optional<int64_t> expose(const std::byte* data, int64_t bytes) const = 0;
  virtual std::byte* locate(int peer, int64_t handle) const = 0;
  // Memory of every rank that all see, for tensors that are not exposed.
  virtual std::byte* staging(int peer) const = 0;
  virtual int64_t staging_bytes() const = 0;

  Team team_;

 private:
  // Meets the others over this tensor. The addresses of all ranks' tensors; empty when some are not exposed.
  std::vector<std::byte*> meet(Operation operation, const at::Tensor& tensor, int64_t elements, int64_t options);
  std::vector<std::byte*> staging_areas() const;
  void staged_all_reduce(const at::Tensor& tensor, const ReduceOptions& options);
  void staged_reduce_scatter(const at::Tensor& output, const at::Tensor& input, const ReduceOptions& options);
  void staged_all_gather(const at::Tensor& output, const at::Tensor& input);
  void staged_broadcast(const at::Tensor& tensor, int root);
  void staged_all_to_all(std::byte* output, const std::byte* input, int64_t element_size);

  std::string host_;
};

}  // namespace plumb::parallel
