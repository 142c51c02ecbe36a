// plumb: dispatches to one file a subcommand in trainer/commands/.
#include "trainer/commands/commands.h"

int main(int argc, char** argv) { return plumb::commands::run(argc, argv); }
