// What a launcher (mpirun, srun) says of this process, before any communicator is there.
#pragma once

namespace plumb::commands {

struct Launched {
  int part = 0, parts = 1;
};
// A batch script of Slurm is no process of a launcher: only a step has tasks.
Launched launched();

}  // namespace plumb::commands
