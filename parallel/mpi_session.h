// Start and end of MPI in a process, and what the launcher says before MPI has started.
#pragma once

#include <string>

namespace plumb::parallel {

// From the launcher's environment alone (OMPI_COMM_WORLD_*, or PMIX_RANK with SLURM_*): no MPI call is made.
struct LaunchInfo {
  int rank = 0, size = 1;
  int local_rank = 0, local_size = 1;
  std::string host;
  bool under_mpi = false;  // started by mpirun or srun; else this process is the whole world
};
LaunchInfo launch_info();

// Guards MPI in main(): initialises it only when a launcher started the process. One per process.
class MpiSession {
 public:
  MpiSession();
  ~MpiSession();  // without finish(): as finish(ExitCode::internal)
  MpiSession(const MpiSession&) = delete;
  const LaunchInfo& launch() const { return launch_; }
  // No rank returns before all have come here; returns the largest code of all ranks, for main() to return. With a code
  // that names a failure (neither 0, 1 nor 75) peers that do not come within `grace_seconds` are ended with that code:
  // they wait in a collective for a rank that will not come.
  int finish(int exit_code, double grace_seconds = 10);

 private:
  LaunchInfo launch_;
  bool finished_ = false;
};

// The same for code that has no session object at hand.
int mpi_barrier_and_finalize(int exit_code, double grace_seconds = 10);

// Ends all processes of the job with `code`, from any thread; prints `why` on standard error first. Does not return.
[[noreturn]] void end_job(int code, const std::string& why);

// Starts MPI if a launcher started this process and nobody has yet. False: there is no MPI in this run.
bool ensure_mpi();

}  // namespace plumb::parallel
