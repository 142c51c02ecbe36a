#include "parallel/mpi_session.h"

#include <mpi.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "parallel/checks.h"
#include "parallel/mpi_support.h"

namespace plumb::parallel {
namespace {

// A launcher's variable as a small number; `otherwise` when absent.
int variable(std::initializer_list<const char*> names, int otherwise) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    int value = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, value);
    if (error == std::errc() && stop == end && value >= 0) return value;
    fail_input(std::string("environment variable ") + name, std::string("expected a number, found \"") + text + "\"",
               "it is set by mpirun; start plumb with mpirun, or unset it");
  }
  return otherwise;
}

bool mpi_running() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  return started != 0 && ended == 0;
}

// A failure that only this rank may have met: its peers could be waiting for it in a collective.
bool names_a_failure(int code) {
  return code != static_cast<int>(ExitCode::ok) && code != static_cast<int>(ExitCode::rule_failed) &&
         code != static_cast<int>(ExitCode::stopped);
}

}  // namespace

LaunchInfo launch_info() {
  LaunchInfo info;
  info.host = host_name();
  const bool open_mpi = std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr;
  info.under_mpi = open_mpi || std::getenv("PMIX_RANK") != nullptr;
  if (!info.under_mpi) return info;
  info.rank = variable({"OMPI_COMM_WORLD_RANK", "PMIX_RANK"}, 0);
  info.size = std::max(1, variable({"OMPI_COMM_WORLD_SIZE", "SLURM_NTASKS"}, 1));
  info.local_rank = variable({"OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"}, 0);
  info.local_size = std::max(1, variable({"OMPI_COMM_WORLD_LOCAL_SIZE", "SLURM_NTASKS_PER_NODE"}, 1));
  return info;
}

bool ensure_mpi() {
  if (mpi_running()) return true;
  int ended = 0;
  MPI_Finalized(&ended);
  if (ended != 0 || !launch_info().under_mpi) return false;
  int provided = 0;
  // Only the main thread speaks MPI; a watchdog thread calls MPI_Abort alone.
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
    throw Error(ExitCode::rank_failed, "MPI does not start", "", "check the installation with: mpirun -n 2 hostname");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  return true;
}

MpiSession::MpiSession() : launch_(launch_info()) { ensure_mpi(); }

MpiSession::~MpiSession() {
  if (!finished_) finish(static_cast<int>(ExitCode::internal));
}

int MpiSession::finish(int exit_code, double grace_seconds) {
  finished_ = true;
  return mpi_barrier_and_finalize(exit_code, grace_seconds);
}

int mpi_barrier_and_finalize(int exit_code, double grace_seconds) {
  if (!mpi_running()) return exit_code;
  int agreed = exit_code;
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Iallreduce(&exit_code, &agreed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD, &request);
  const auto start = std::chrono::steady_clock::now();
  for (int arrived = 0; arrived == 0;) {
    MPI_Test(&request, &arrived, MPI_STATUS_IGNORE);
    if (arrived != 0) break;
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    if (names_a_failure(exit_code) && waited.count() > grace_seconds) {
      end_job(exit_code, "this rank failed and the others have not ended: they wait for it, the job ends here");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(waited.count() < 0.1 ? 0 : 5));
  }
  free_all_windows();
  MPI_Finalize();
  return agreed;
}

void end_job(int code, const std::string& why) {
  const LaunchInfo info = launch_info();
  core::log(core::Level::error, why.empty() ? "rank " + std::to_string(info.rank) + " ends the job" : why);
  if (mpi_running()) {
    alarm(10);  // should MPI_Abort hang: its default action ends this process, and mpirun then ends the others
    MPI_Abort(MPI_COMM_WORLD, code);
  }
  _exit(code);
}

}  // namespace plumb::parallel
