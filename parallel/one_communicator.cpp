#include "parallel/one_communicator.h"

#include <ATen/ATen.h>

#include <deque>
#include <mutex>

#include "core/error.h"
#include "parallel/checks.h"
#include "parallel/host_memory.h"

namespace plumb::parallel {
namespace {

// Messages of a rank to itself, in the order of sending; a receive takes the one that was sent when it was asked for.
struct Letters {
  std::mutex mutex;
  std::deque<at::Tensor> queue;
  uint64_t first = 0, asked = 0;  // number of the queue's front, of the next receive
};

void copy_if_apart(const at::Tensor& output, const at::Tensor& input) {
  if (output.data_ptr() != input.data_ptr()) output.view({-1}).copy_(input.view({-1}));
}

class SelfReceive : public Pending {
 public:
  SelfReceive(std::shared_ptr<Letters> letters, std::vector<std::pair<uint64_t, at::Tensor>> wanted)
      : letters_(std::move(letters)), wanted_(std::move(wanted)) {}

  void wait() override {
    const std::lock_guard lock(letters_->mutex);
    for (auto& [number, tensor] : wanted_) {
      const uint64_t index = number - letters_->first;
      if (index >= letters_->queue.size() || !letters_->queue[index].defined()) {
        fail_internal("exchange: rank 0 waits for a message from itself that was never sent");
      }
      at::Tensor& letter = letters_->queue[index];
      if (letter.numel() != tensor.numel() || letter.scalar_type() != tensor.scalar_type()) {
        fail_internal("exchange: " + std::to_string(letter.numel()) + " elements sent, " +
                      std::to_string(tensor.numel()) + " expected");
      }
      copy_if_apart(tensor, letter);
      letter = at::Tensor();
    }
    wanted_.clear();
    while (!letters_->queue.empty() && !letters_->queue.front().defined()) {
      letters_->queue.pop_front();
      ++letters_->first;
    }
  }

 private:
  std::shared_ptr<Letters> letters_;
  std::vector<std::pair<uint64_t, at::Tensor>> wanted_;
};

class OneCommunicator : public Communicator {
 public:
  OneCommunicator(at::Device device, std::string host) : device_(device), host_(std::move(host)) {}

  int rank() const override { return 0; }
  int size() const override { return 1; }
  at::Device device() const override { return device_; }
  std::string name() const override { return "one"; }
  std::string host(int) const override { return host_; }

  at::Tensor allocate(int64_t bytes) override {
    if (device_.is_cpu()) return allocate_host(bytes);
    return at::zeros({bytes}, at::TensorOptions().dtype(at::kByte).device(device_));
  }

  void all_reduce(at::Tensor tensor, ReduceOptions) override { check_tensor(*this, "all_reduce", tensor); }

  PendingPtr reduce_scatter(at::Tensor output, at::Tensor input, ReduceOptions) override {
    check_reduce_scatter(*this, output, input);
    copy_if_apart(output, input);
    return done();
  }

  PendingPtr all_gather(at::Tensor output, at::Tensor input) override {
    check_all_gather(*this, output, input);
    copy_if_apart(output, input);
    return done();
  }

  void broadcast(at::Tensor tensor, int root) override {
    check_tensor(*this, "broadcast", tensor);
    check_peer(*this, "broadcast", root);
  }

  void all_to_all(at::Tensor output, at::Tensor input, const std::vector<int64_t>& receive_counts,
                  const std::vector<int64_t>& send_counts) override {
    check_all_to_all(*this, output, input, receive_counts, send_counts);
    if (input.numel() != output.numel()) fail_internal("all_to_all: a rank sends itself more than it expects, or less");
    copy_if_apart(output, input);
  }

  PendingPtr exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    std::vector<std::pair<uint64_t, at::Tensor>> wanted;
    const std::lock_guard lock(letters_->mutex);
    for (const Transfer& send : sends) {
      check_tensor(*this, "exchange", send.tensor);
      check_peer(*this, "exchange", send.peer);
      letters_->queue.push_back(send.tensor.clone());
    }
    for (const Transfer& receive : receives) {
      check_tensor(*this, "exchange", receive.tensor);
      check_peer(*this, "exchange", receive.peer);
      wanted.emplace_back(letters_->asked++, receive.tensor);
    }
    return std::make_unique<SelfReceive>(letters_, std::move(wanted));
  }

  void barrier() override {}

  std::shared_ptr<Communicator> split(int color, int) override {
    return color < 0 ? nullptr : make_one(device_, host_);
  }

  void abort(int code, const std::string& why) override { throw Error(static_cast<ExitCode>(code), why); }

 private:
  at::Device device_;
  std::string host_;
  std::shared_ptr<Letters> letters_ = std::make_shared<Letters>();
};

}  // namespace

CommunicatorPtr make_one(at::Device device, std::string host) {
  return std::make_shared<OneCommunicator>(device, std::move(host));
}

}  // namespace plumb::parallel
