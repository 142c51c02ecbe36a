#include "trainer/run/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/log.h"
#include "data/show.h"
#include "parallel/factory.h"
#include "parallel/threads_communicator.h"
#include "trainer/ledger/manifest.h"
#include "trainer/run/finish.h"
#include "trainer/run/signals.h"
#include "trainer/run/start.h"

namespace plumb::run {

namespace {

constexpr const char* kStopBefore = "before the first step of this start: nothing is lost, the same command goes on";
constexpr const char* kStopAfter = "after the last step, which is saved: the same command evaluates and exports";

using parallel::Communicator;
using parallel::CommunicatorPtr;

// Runs `work` on rank 0 and hands its result to all. A mistake on rank 0 is thrown on every rank, printed by rank 0.
std::string on_main_rank(Communicator& world, const std::function<std::string()>& work) {
  nlohmann::ordered_json message;
  std::exception_ptr failure;
  if (world.rank() == 0) {
    try {
      message["result"] = work();
    } catch (const std::exception& error) {
      const Error told = as_error(error);
      failure = std::make_exception_ptr(told);
      message = {{"code", static_cast<int>(told.code())}, {"message", told.what()}};
    }
  }
  // A message may name a file whose name is no UTF-8.
  const auto text = message.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  message = nlohmann::ordered_json::parse(parallel::broadcast_string(world, text));
  if (failure) std::rethrow_exception(failure);
  if (message.contains("code")) {
    throw Error(static_cast<ExitCode>(message["code"].get<int>()), message["message"].get<std::string>());
  }
  return message.at("result").get<std::string>();
}

// Rank 0 reads the file; everyone parses the same text.
config::Loaded load_everywhere(const Request& request, Communicator& world) {
  const std::filesystem::path file = std::filesystem::absolute(request.file);
  const auto text = on_main_rank(world, [&] { return core::read_text(file, 16 << 20); });
  auto loaded = config::load_config_text(text, request.file, file.parent_path(), request.overrides, request.purpose);
  loaded.file = file;
  return loaded;
}

nlohmann::ordered_json to_json(const FolderState& state) {
  return {{"exists", state.exists},
          {"finished", state.finished},
          {"newest", state.newest ? state.newest->folder.string() : std::string()},
          {"manifest", state.manifest},
          {"resolved", state.resolved_yaml},
          {"notices", state.notices}};
}

// The folder as rank 0 found and verified it.
FolderState agree_on_folder(const config::Loaded& loaded, Communicator& world, bool writes) {
  FolderState state;
  const auto text = on_main_rank(world, [&] {
    state = open_run_folder(loaded, writes);
    return to_json(state).dump();
  });
  if (world.rank() == 0) return state;
  const auto json = nlohmann::ordered_json::parse(text);
  state.exists = json["exists"];
  state.finished = json["finished"];
  state.manifest = json["manifest"];
  state.resolved_yaml = json["resolved"];
  state.notices = json["notices"].get<std::vector<std::string>>();
  const auto newest = json["newest"].get<std::string>();
  if (!newest.empty()) state.newest = checkpoint::open(newest, false);  // rank 0 has verified it
  return state;
}

void print_masks(const config::Loaded& loaded, const MaterialPaths& paths, int64_t count) {
  const auto material = open_material(loaded, paths);
  const bool colours = isatty(1) != 0 && std::getenv("NO_COLOR") == nullptr;
  for (const auto& part : material.train) {
    for (int64_t i = 0; i < std::min(count, part.dataset->documents()); ++i) {
      const auto sample = part.dataset->sample(i);
      int64_t trained = 0;
      for (const float weight : sample.weight) trained += weight > 0;
      std::cout << fmt::format("{}sample {} ({} tokens, {} trained)\n", part.name.empty() ? "" : part.name + " ", i,
                               sample.ids.size(), trained)
                << data::show_sample(sample, *material.tokenizer, colours) << "\n\n";
    }
  }
}

// The work of one rank, after its communicators exist.
int run_rank(const Request& request, const config::Loaded& loaded, const Place& place, CommunicatorPtr control,
             CommunicatorPtr world) {
  const bool starts = !request.dry_run && request.show_masks == 0;
  auto state = agree_on_folder(loaded, *control, starts);
  const auto paths = MaterialPaths::from_json(nlohmann::ordered_json::parse(
      on_main_rank(*control, [&] { return build_material(loaded, {}, EvalSets::read).json().dump(); })));
  if (request.show_masks > 0) {
    if (control->rank() == 0) print_masks(loaded, paths, request.show_masks);
    return 0;
  }
  auto context = make_context(loaded, place, world, state, paths);
  if (request.dry_run) {
    print_dry_run(*context);
    return 0;
  }
  const auto manifest = start_manifest(*context);
  const int64_t saved = checkpoint::bytes_of(context->engine->state(), *context->mesh.shard);
  on_main_rank(*control, [&] {
    start_run_folder(context->loaded, state, paths.tokenizer, manifest);
    // Without room for a checkpoint every step would be lost at the first save.
    const bool saves = !state.newest || state.newest->step < context->length.steps;
    if (saves) checkpoint::make_room(context->config().output.folder, saved);
    return std::string();
  });
  auto progress = load_weights(*context);
  on_main_rank(*control, [&] {
    const auto renamed = set_aside_later_steps(context->config().output.folder, state);
    state.notices.insert(state.notices.end(), renamed.begin(), renamed.end());
    return std::string();
  });
  for (const auto& notice : state.notices) context->reporter->note("notice    " + notice);
  if (state.finished && progress.step >= context->length.steps) {
    context->reporter->note(fmt::format("finished  this run ended at step {}; nothing to do", progress.step));
    return static_cast<int>(report_again(*context, state));
  }
  score_base(*context, progress);
  Training training(*context, progress);
  stop_after_a_step();
  const auto ending = training.run();
  context->reporter->end_bar();
  if (ending == Ending::stopped) return finish_stopped(*context, training.progress());
  stop_at_once(kStopAfter);
  return static_cast<int>(finish(*context, training.progress()));
}

// Ranks as threads of this process: parallel.communicator: threads.
int run_threads(const Request& request, const config::Loaded& loaded) {
  const int ranks = static_cast<int>(loaded.config.parallel.data * loaded.config.parallel.shard.value_or(1));
  auto group = parallel::make_thread_communicators(ranks);
  std::vector<std::thread> threads;
  std::vector<std::exception_ptr> failures(ranks);
  std::vector<int> codes(ranks, 0);
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        auto place = take_place(loaded, rank, ranks, rank, ranks);
        codes[rank] = run_rank(request, loaded, place, group[rank], group[rank]);
      } catch (const Error& error) {
        failures[rank] = std::current_exception();
        group[rank]->abort(static_cast<int>(error.code()), error.message());
      } catch (...) {
        failures[rank] = std::current_exception();
        group[rank]->abort(static_cast<int>(ExitCode::internal), "an internal error on another rank");
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return codes[0];
}

// Ends this rank when the others do not come to the end as well: the trouble is this rank's alone, the others wait for
// it in a collective. A mistake that all ranks meet brings all of them to the end within moments.
class LonelyEnd {
 public:
  LonelyEnd(int code, std::string message, bool printed)
      : thread_([this, code, message = std::move(message), printed] {
          std::unique_lock lock(mutex_);
          if (over_.wait_for(lock, std::chrono::seconds(15), [this] { return done_; })) return;
          parallel::end_job(code, printed ? "the other ranks did not come to an end with this one" : message);
        }) {}
  ~LonelyEnd() {
    {
      std::lock_guard lock(mutex_);
      done_ = true;
    }
    over_.notify_all();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  std::thread thread_;
};

const char* const kOutOfMemory =
    "error: out of memory\n      hint: a smaller train.micro_batch_size or model, or more ranks";

int end_with_error(parallel::MpiSession& session, int code, const std::string& message) {
  const bool main = core::is_main_rank();
  if (main) core::say(message);
  LonelyEnd lonely(code, message, main);
  return session.finish(code, 60);
}

}  // namespace

int run(const Request& request) {
  stop_at_once(kStopBefore);
  parallel::MpiSession session;
  const auto& launch = session.launch();
  core::set_rank(launch.rank, launch.size, launch.host);
  stop_at_once(kStopBefore);  // now that the rank is known
  // Waits for rank 0 may be long while it builds datasets: no time limit on the control communicator.
  auto control = parallel::make_world("auto", at::kCPU, 0);
  try {
    const auto loaded = load_everywhere(request, *control);
    config::check_paths(loaded);
    if (loaded.config.parallel.communicator == "threads" && launch.size > 1) {
      fail_input("parallel.communicator", fmt::format("threads is one process, and mpirun started {}", launch.size),
                 "use auto, or start plumb without mpirun");
    }
    if (loaded.config.parallel.communicator == "threads") return session.finish(run_threads(request, loaded));
    const auto place = take_place(loaded, launch.rank, launch.size, launch.local_rank, launch.local_size);
    auto world =
        parallel::make_world(loaded.config.parallel.communicator, place.device, loaded.config.parallel.timeout);
    return session.finish(run_rank(request, loaded, place, control, world));
  } catch (const Error& error) {
    return end_with_error(session, static_cast<int>(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return end_with_error(session, static_cast<int>(ExitCode::out_of_resources), kOutOfMemory);
  } catch (const std::exception& error) {
    const std::string what = error.what();  // LibTorch's allocators throw an error type of their own
    if (what.find("out of memory") != std::string::npos || what.find("can't allocate memory") != std::string::npos) {
      return end_with_error(session, static_cast<int>(ExitCode::out_of_resources), kOutOfMemory);
    }
    const Error told = as_error(error);
    return end_with_error(session, static_cast<int>(told.code()), told.what());
  }
}

}  // namespace plumb::run
