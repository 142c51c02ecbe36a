// main() of tests that run under mpirun: rank 0 prints, the result is agreed, a fatal failure ends all ranks.
#include <gtest/gtest.h>
#include <mpi.h>

#include <cstdio>

#include "parallel/mpi_session.h"

namespace {

// Other ranks say only what went wrong; after a fatal failure peers would wait in the next collective for ever.
class Failures : public testing::EmptyTestEventListener {
 public:
  explicit Failures(int rank) : rank_(rank) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    if (rank_ > 0) {
      std::fprintf(stderr, "rank %d: %s:%d: %s\n", rank_, result.file_name() == nullptr ? "" : result.file_name(),
                   result.line_number(), result.message());
    }
    if (result.fatally_failed()) MPI_Abort(MPI_COMM_WORLD, 1);
  }

 private:
  int rank_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  testing::GTEST_FLAG(throw_on_failure) = false;
  plumb::parallel::MpiSession session;
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (session.launch().rank > 0) delete listeners.Release(listeners.default_result_printer());
  if (session.launch().under_mpi) listeners.Append(new Failures(session.launch().rank));
  return session.finish(RUN_ALL_TESTS());
}
