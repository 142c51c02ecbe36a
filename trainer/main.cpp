// plumb: dispatches to one file a subcommand in trainer/commands, or hands over to plumb-engine.
#include "trainer/commands/commands.h"

int main(int argc, char** argv) {
  return plumb::commands::run(argc, argv, plumb::commands::light_commands(), "plumb-engine");
}
