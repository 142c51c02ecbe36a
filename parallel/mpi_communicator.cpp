#include "parallel/mpi_communicator.h"

#include "parallel/mpi_support.h"
#include "parallel/mpi_transports.h"

namespace plumb::parallel {
namespace {

bool on_one_host(MPI_Comm comm) {
  MPI_Comm host = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host), "split");
  int size = 0, host_size = 0;
  MPI_Comm_size(comm, &size);
  MPI_Comm_size(host, &host_size);
  MPI_Comm_free(&host);
  int one = size == host_size ? 1 : 0, all = 0;
  check_mpi(MPI_Allreduce(&one, &all, 1, MPI_INT, MPI_MIN, comm), "split");
  return all != 0;
}

}  // namespace

CommunicatorPtr make_mpi(MPI_Comm comm, const MpiOptions& options) {
  MPI_Comm own = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(comm, &own), "split");
  MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN);
  if (options.shared_memory && on_one_host(own)) {
    if (auto shared = make_mpi_shared(own, options)) return shared;
  }
  return make_mpi_network(own, options);
}

CommunicatorPtr split_mpi(MPI_Comm comm, int color, int key, const MpiOptions& options) {
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(comm, color < 0 ? MPI_UNDEFINED : color, key, &part), "split");
  if (part == MPI_COMM_NULL) return nullptr;
  MPI_Comm_set_errhandler(part, MPI_ERRORS_RETURN);
  auto communicator = make_mpi(part, options);
  MPI_Comm_free(&part);
  return communicator;
}

}  // namespace plumb::parallel
