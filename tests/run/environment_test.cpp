#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/json.h"
#include "trainer/ledger/manifest.h"

namespace plumb::run {
namespace {

// The environment is bytes; the manifest that records it is a file of UTF-8 all the same.
TEST(RecordedEnvironment, BytesThatAreNoUtf8) {
  ::setenv("NCCL_TEST_NAME", "caf\xe9 \xea\xb0\x80 \xff", 1);
  const auto recorded = ledger::recorded_environment();
  EXPECT_EQ(recorded.at("NCCL_TEST_NAME"), "caf\\xe9 \xea\xb0\x80 \\xff");
  const auto folder = std::filesystem::temp_directory_path() / "plumb_environment_test";
  std::filesystem::create_directories(folder);
  ledger::update_manifest(folder, {{"environment", recorded}});
  EXPECT_EQ(core::parse_json_file(folder / "manifest.json").at("environment"), recorded);
  std::filesystem::remove_all(folder);
  ::unsetenv("NCCL_TEST_NAME");
}

}  // namespace
}  // namespace plumb::run
