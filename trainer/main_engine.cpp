// plumb-engine: the subcommands in trainer/jobs. `plumb` starts it.
#include "trainer/jobs/jobs.h"

int main(int argc, char** argv) { return plumb::commands::run(argc, argv, plumb::commands::engine_commands(), ""); }
