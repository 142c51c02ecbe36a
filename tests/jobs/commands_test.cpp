#include <gtest/gtest.h>

#include <set>
#include <string>

#include "trainer/jobs/jobs.h"

namespace plumb::commands {

// A command of the table that no program has would hand itself over for nothing.
TEST(Commands, EveryCommandIsOfOneProgram) {
  std::multiset<std::string> listed, had;
  for (const auto& command : table()) listed.insert(command.name);
  for (const auto* runs : {&light_commands(), &engine_commands()}) {
    for (const auto& [name, run] : *runs) {
      had.insert(name);
      EXPECT_NE(run, nullptr) << name;
    }
  }
  EXPECT_EQ(listed, had);
}

}  // namespace plumb::commands
