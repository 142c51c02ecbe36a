#include "core/hash.h"
#include "tests/checkpoint/support.h"

namespace plumb::checkpoint {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

// Step 1 is good, step 2 is damaged by `damage`: it is named, and step 1 is taken.
std::string fallback(const std::function<void(const fs::path&)>& damage) {
  const Folder run;
  save_on(run, 2, 1);
  save_on(run, 2, 2);
  damage(run);
  std::vector<std::string> notices;
  const auto newest = newest_good(run, &notices);
  EXPECT_TRUE(newest && newest->step == 1);
  if (newest) load_on(*newest, 1, 1);
  EXPECT_EQ(notices.size(), 1u);
  return notices.empty() ? "" : notices[0];
}

TEST(Damage, IsFoundNamedAndPassedOver) {
  const std::string shard = "step-2/shard-00001.safetensors";
  EXPECT_THAT(
      fallback([&](const fs::path& run) { fs::remove(run / shard); }),
      testing::AllOf(HasSubstr("step-2 is damaged"), HasSubstr("shard-00001.safetensors: the file is missing")));
  EXPECT_THAT(fallback([&](const fs::path& run) { fs::resize_file(run / shard, 100); }), HasSubstr("found 100"));
  EXPECT_THAT(fallback([&](const fs::path& run) {
                fs::copy_file(run / "step-1/shard-00001.safetensors", run / shard,
                              fs::copy_options::overwrite_existing);
              }),
              HasSubstr("shard-00001.safetensors: its SHA-256"));
  EXPECT_THAT(fallback([&](const fs::path& run) {
                fs::rename(run / "step-2/shard-00000.safetensors", run / "x");
                fs::rename(run / shard, run / "step-2/shard-00000.safetensors");
                fs::rename(run / "x", run / shard);
              }),
              HasSubstr("shard-0000"));
  EXPECT_THAT(fallback([](const fs::path& run) { fs::remove(run / "step-2/manifest.json"); }),
              HasSubstr("there is no manifest.json"));
  EXPECT_THAT(fallback([](const fs::path& run) {
                fs::copy_file(run / "step-1/manifest.json", run / "step-2/manifest.json",
                              fs::copy_options::overwrite_existing);
              }),
              HasSubstr("the folder says step 2, the manifest step 1"));
  EXPECT_THAT(fallback([](const fs::path& run) { fs::resize_file(run / "step-2/manifest.json", 200); }),
              HasSubstr("manifest.json"));
}

// Any byte of any file, one bit at a time (a sample of places, every file's first and last byte included).
TEST(Damage, EveryFlippedBitIsFound) {
  const Folder run;
  save_on(run, 2, 2);
  int tried = 0;
  for (const auto& entry : fs::directory_iterator(run / "step-2")) {
    const std::string good = read_all(entry.path());
    const size_t stride = std::max<size_t>(1, good.size() / 61);
    for (size_t place = 0; place < good.size();
         place = place + stride < good.size() || place + 1 == good.size() ? place + stride : good.size() - 1) {
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ (1 << (place % 8)));
      write_all(entry.path(), bad);
      // White space between the manifest's keys carries nothing; another one there is the same manifest.
      const bool same = entry.path().extension() == ".json" && ordered_json::accept(bad) &&
                        ordered_json::parse(bad) == ordered_json::parse(good);
      EXPECT_EQ(newest_good(run).has_value(), same) << entry.path() << " byte " << place;
      ++tried;
    }
    write_all(entry.path(), good);
  }
  EXPECT_GT(tried, 150);
  EXPECT_TRUE(newest_good(run));
}

// A manifest that someone wrote on purpose, with the right digest.
std::string hostile(const std::function<void(ordered_json&)>& change) {
  const Folder run;
  save_on(run, 2, 1);
  write_all(run / "outside.safetensors", read_all(run / "step-1/shard-00000.safetensors"));
  ordered_json json = ordered_json::parse(read_all(run / "step-1/manifest.json"));
  change(json);
  json.erase("sha256");
  json["sha256"] = core::sha256(json.dump());
  write_all(run / "step-1/manifest.json", json.dump());
  return refusal([&] { load_on(open(run / "step-1"), 1, 1); });
}

TEST(Hostile, NamesNeverLeadOutOfTheFolder) {
  for (const char* name :
       {"../outside.safetensors", "/etc/passwd", "shard-00000.safetensors/../../x", "", "shard-.safetensors",
        "shard-0000a.safetensors", "manifest.json", "shard-00000.safetensors\n"}) {
    EXPECT_THAT(hostile([&](ordered_json& json) { json["files"][0]["name"] = name; }),
                HasSubstr("is not a name of a shard"));
  }
  const Folder run;
  save_on(run, 1, 1);
  fs::rename(run / "step-1/shard-00000.safetensors", run / "outside");
  fs::create_symlink(run / "outside", run / "step-1/shard-00000.safetensors");
  EXPECT_THAT(refusal([&] { open(run / "step-1"); }), HasSubstr("found a link"));
}

TEST(Hostile, ImpossibleNumbersAreRefused) {
  const auto tensor = [](ordered_json& json) -> ordered_json& { return json["tensors"][0]; };
  EXPECT_THAT(hostile([&](auto& json) {
                tensor(json)["shape"] = {1ull << 62, 1ull << 62};
              }),
              HasSubstr("impossible shape"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["shape"] = {-1}; }), HasSubstr("whole number"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["shape"] = {18446744073709551615ull}; }),
              HasSubstr("whole number"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["parts"][0]["end"] = 5; }),
              HasSubstr("expected a part that begins at element 5"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["parts"][1]["begin"] = 0; }), HasSubstr("expected a part"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["parts"].erase(1); }), HasSubstr("its parts end at element"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["parts"][0]["file"] = 7; }), HasSubstr("there is no file 7"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["parts"][0]["file"] = 1; }),
              HasSubstr("the file does not have it"));
  EXPECT_THAT(hostile([&](auto& json) { json["tensors"].push_back(tensor(json)); }), HasSubstr("stands twice"));
  EXPECT_THAT(hostile([&](auto& json) { json["files"].push_back(json["files"][0]); }), HasSubstr("stands twice"));
  EXPECT_THAT(hostile([&](auto& json) { json["files"][0]["bytes"] = 1.5; }), HasSubstr("whole number"));
  EXPECT_THAT(hostile([&](auto& json) { json["version"] = 2; }), HasSubstr("expected format version 1, found 2"));
  EXPECT_THAT(hostile([&](auto& json) { json["step"] = "1"; }), HasSubstr("step: expected a whole number"));
  EXPECT_THAT(hostile([&](auto& json) { json["tensors"] = 3; }), HasSubstr("tensors: expected a list"));
  EXPECT_THAT(hostile([&](auto& json) { json.erase("values"); }), HasSubstr("the key values is missing"));
  EXPECT_THAT(hostile([&](auto& json) { tensor(json)["key"] = "other"; }),
              testing::AnyOf(HasSubstr("other"), HasSubstr("no tensor")));
}

TEST(Hostile, OtherThingsInTheRunFolderAreLeftAlone) {
  const Folder run, elsewhere;
  save_on(elsewhere, 1, 8);
  save_on(run, 1, 1);
  fs::create_directory_symlink(elsewhere / "step-8", run / "step-8");
  fs::create_directory_symlink(elsewhere, run / "step-9.tmp");
  for (const char* name : {"step-", "step-x", "step-007", "step-99999999999999999999", "step--1", "step-3 "}) {
    fs::create_directory(run / name);
  }
  EXPECT_EQ(newest_good(run)->step, 1);
  save_on(run, 1, 2);
  prune(run, {1, {}});
  EXPECT_TRUE(fs::exists(elsewhere / "step-8/manifest.json"));
  EXPECT_TRUE(fs::exists(run / "step-007"));
  EXPECT_FALSE(newest_good(run / "nowhere"));
}

}  // namespace
}  // namespace plumb::checkpoint
