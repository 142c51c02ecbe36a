#include "parallel/threads_communicator.h"

#include <ATen/ATen.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>

#include "core/error.h"
#include "parallel/checks.h"
#include "parallel/host_memory.h"
#include "parallel/peer_communicator.h"

namespace plumb::parallel {
namespace {

// Messages from one rank to another, in the order of sending; receives are numbered when they are asked for.
struct Channel {
  std::map<uint64_t, at::Tensor> letters;
  uint64_t sent = 0, asked = 0;
};

struct Group;

// All groups that came from one by splitting: an abort reaches a rank in whichever of them it waits.
struct Family {
  std::mutex mutex;
  std::vector<std::weak_ptr<Group>> groups;
  int code = 0;  // of an abort
  std::string why;
};

// What the ranks of one communicator share.
struct Group {
  Group(int ranks, ThreadOptions thread_options)
      : size(ranks),
        options(thread_options),
        control(allocate_host(Team::bytes_needed(ranks))),
        channels(static_cast<size_t>(ranks) * static_cast<size_t>(ranks)),
        colors(static_cast<size_t>(ranks)) {
    Team::construct(bytes_of(control), ranks);
    if (options.staging_bytes > 0) staging = allocate_host(options.staging_bytes * ranks);
  }

  Channel& channel(int from, int to) { return channels[static_cast<size_t>(from * size + to)]; }

  const int size;
  const ThreadOptions options;
  const at::Tensor control;
  at::Tensor staging;
  std::shared_ptr<Family> family;

  std::mutex mutex;  // guards all below
  std::condition_variable news;
  std::vector<Channel> channels;
  bool aborted = false;
  std::vector<std::pair<int, int>> colors;             // (color, key) of each rank in the split going on
  std::map<int, std::shared_ptr<Group>> split_groups;  // by color
};

void stop(Group& group, int code, const std::string& why) {
  Team(bytes_of(group.control), 0, group.size).abort(code, why);
  {
    const std::lock_guard lock(group.mutex);
    group.aborted = true;
  }
  group.news.notify_all();
}

std::shared_ptr<Group> make_group(int ranks, ThreadOptions options, std::shared_ptr<Family> family) {
  auto group = std::make_shared<Group>(ranks, options);
  group->family = family;
  const std::lock_guard lock(family->mutex);
  family->groups.push_back(group);
  if (family->code != 0) stop(*group, family->code, family->why);
  return group;
}

class ThreadReceive : public Pending {
 public:
  struct Wanted {
    int from;
    uint64_t number;
    at::Tensor tensor;
  };
  ThreadReceive(std::shared_ptr<Group> group, Team team, std::vector<Wanted> wanted)
      : group_(std::move(group)), team_(team), wanted_(std::move(wanted)) {}

  void wait() override {
    for (Wanted& wanted : wanted_) {
      Channel& channel = group_->channel(wanted.from, team_.rank());
      at::Tensor letter;
      {
        std::unique_lock lock(group_->mutex);
        group_->news.wait(lock, [&] { return group_->aborted || channel.letters.count(wanted.number) > 0; });
        if (group_->aborted) team_.throw_if_aborted();
        letter = channel.letters.extract(wanted.number).mapped();
      }
      if (letter.numel() != wanted.tensor.numel() || letter.scalar_type() != wanted.tensor.scalar_type()) {
        fail_internal("exchange: rank " + std::to_string(wanted.from) + " sent " + std::to_string(letter.numel()) +
                      " elements of " + c10::toString(letter.scalar_type()) + ", rank " + std::to_string(team_.rank()) +
                      " expects " + std::to_string(wanted.tensor.numel()) + " of " +
                      c10::toString(wanted.tensor.scalar_type()));
      }
      if (letter.numel() > 0) std::memcpy(bytes_of(wanted.tensor), bytes_of(letter), letter.nbytes());
    }
    wanted_.clear();
  }

 private:
  std::shared_ptr<Group> group_;
  Team team_;
  std::vector<Wanted> wanted_;
};

class ThreadCommunicator : public PeerCommunicator {
 public:
  ThreadCommunicator(std::shared_ptr<Group> group, int rank)
      : PeerCommunicator(Team(bytes_of(group->control), rank, group->size), host_name()), group_(std::move(group)) {}

  std::string name() const override { return "threads"; }

  at::Tensor allocate(int64_t bytes) override {
    Call call;
    call.operation = Operation::allocate;
    call.elements = bytes;
    team_.meet(call);
    team_.barrier();
    return allocate_host(bytes);
  }

  PendingPtr exchange(const std::vector<Transfer>& sends, const std::vector<Transfer>& receives) override {
    for (const auto* side : {&sends, &receives}) {
      for (const Transfer& transfer : *side) {
        check_tensor(*this, "exchange", transfer.tensor);
        check_peer(*this, "exchange", transfer.peer);
      }
    }
    std::vector<at::Tensor> letters;  // copies: the sender may go on at once
    for (const Transfer& send : sends) letters.push_back(send.tensor.clone());
    std::vector<ThreadReceive::Wanted> wanted;
    {
      const std::lock_guard lock(group_->mutex);
      if (group_->aborted) team_.throw_if_aborted();
      for (size_t i = 0; i < sends.size(); ++i) {
        Channel& channel = group_->channel(rank(), sends[i].peer);
        channel.letters.emplace(channel.sent++, letters[i]);
      }
      for (const Transfer& receive : receives) {
        wanted.push_back({receive.peer, group_->channel(receive.peer, rank()).asked++, receive.tensor});
      }
    }
    group_->news.notify_all();
    return std::make_unique<ThreadReceive>(group_, team_, std::move(wanted));
  }

  std::shared_ptr<Communicator> split(int color, int key) override {
    {
      const std::lock_guard lock(group_->mutex);
      group_->colors[static_cast<size_t>(rank())] = {color, key};
    }
    Call call;
    call.operation = Operation::split;
    team_.meet(call);
    std::vector<std::pair<int, int>> members;  // (key, rank) of this color
    for (int other = 0; other < size(); ++other) {
      const auto& [their_color, their_key] = group_->colors[static_cast<size_t>(other)];
      if (their_color == color) members.emplace_back(their_key, other);
    }
    std::sort(members.begin(), members.end());
    std::shared_ptr<Group> group;
    if (color >= 0) {
      const std::lock_guard lock(group_->mutex);
      std::shared_ptr<Group>& entry = group_->split_groups[color];
      if (!entry) entry = make_group(static_cast<int>(members.size()), group_->options, group_->family);
      group = entry;
    }
    team_.barrier();
    if (rank() == 0) {
      const std::lock_guard lock(group_->mutex);
      group_->split_groups.clear();
    }
    team_.barrier();
    if (color < 0) return nullptr;
    const auto own = std::find(members.begin(), members.end(), std::make_pair(key, rank()));
    return std::make_shared<ThreadCommunicator>(group, static_cast<int>(own - members.begin()));
  }

  void abort(int code, const std::string& why) override {
    Family& family = *group_->family;
    const std::lock_guard lock(family.mutex);
    if (family.code != 0) return;
    family.code = code == 0 ? static_cast<int>(ExitCode::rank_failed) : code;
    family.why = why;
    for (const std::weak_ptr<Group>& member : family.groups) {
      if (const auto group = member.lock()) stop(*group, family.code, why);
    }
  }

 protected:
  std::optional<int64_t> expose(const std::byte* data, int64_t) const override {
    if (group_->options.staging_bytes > 0) return std::nullopt;
    return reinterpret_cast<int64_t>(data);
  }
  std::byte* locate(int, int64_t handle) const override { return reinterpret_cast<std::byte*>(handle); }
  std::byte* staging(int peer) const override {
    return bytes_of(group_->staging) + peer * group_->options.staging_bytes;
  }
  int64_t staging_bytes() const override { return group_->options.staging_bytes; }

 private:
  std::shared_ptr<Group> group_;
};

}  // namespace

std::vector<CommunicatorPtr> make_thread_communicators(int ranks, ThreadOptions options) {
  if (ranks < 1) fail_internal("a group of no threads");
  const auto group = make_group(ranks, options, std::make_shared<Family>());
  std::vector<CommunicatorPtr> communicators;
  for (int rank = 0; rank < ranks; ++rank) communicators.push_back(std::make_shared<ThreadCommunicator>(group, rank));
  return communicators;
}

}  // namespace plumb::parallel
