// Clusters of duplicates: against all pairs compared, whatever the threads, parts, memory and interruptions.
#include <sys/wait.h>

#include <csignal>

#include "core/files.h"
#include "data/dedup/external_sort.h"
#include "data/dedup/word_file.h"
#include "tests/data/dedup_files.h"

namespace plumb::data {
namespace {

using testing::HasSubstr;

TEST(ExternalSorter, SortsWhateverTheMemory) {
  std::mt19937_64 random(1);
  std::vector<uint64_t> all(300000);
  for (auto& value : all) value = random() % 200000;
  auto expected = all;
  std::sort(expected.begin(), expected.end());
  const auto folder = std::filesystem::temp_directory_path();
  for (const uint64_t memory : {uint64_t{16}, uint64_t{4096}, uint64_t{40000}, uint64_t{1000000}, uint64_t{1} << 30}) {
    const size_t count = memory == 16 ? 300 : all.size();
    ExternalSorter<uint64_t> sorter(folder, memory, memory == 4096 ? 0 : count);
    for (size_t i = 0; i < count; ++i) sorter.add(all[i]);
    std::vector<uint64_t> found;
    sorter.each([&](uint64_t value) { found.push_back(value); });
    if (count < all.size()) {
      EXPECT_TRUE(std::is_sorted(found.begin(), found.end()));
      EXPECT_EQ(found.size(), count);
    } else {
      EXPECT_EQ(found, expected) << memory;
    }
  }
}

class Dedup : public DedupTest {};

std::vector<Verdict> joined(const Deduplicator& dedup, size_t units) {
  std::vector<Verdict> all;
  for (size_t u = 0; u < units; ++u)
    for (const Verdict verdict : dedup.verdicts(static_cast<int64_t>(u))) all.push_back(verdict);
  return all;
}

TEST_F(Dedup, AsAllPairsCompared) {
  int near = 0, exact = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const Texts units = random_corpus(seed, 1 + seed % 4, 60);
    for (const auto& section : {dedup_section(true, false), dedup_section(false, true), dedup_section(true, true),
                                dedup_section(true, true, 0.8)}) {
      const auto name = fmt::format("{}-{}{}{}", seed, section.exact, section.minhash, section.verify > 0);
      const auto files = write_units(section, units, folder_ / name);
      Deduplicator dedup(section, {files, folder_ / name});
      dedup.passes();
      const auto report = dedup.finish();
      const auto expected = naive_verdicts(section, units);
      ASSERT_EQ(joined(dedup, units.size()), expected) << name;
      EXPECT_EQ(report.documents, static_cast<int64_t>(expected.size()));
      EXPECT_EQ(report.kept, std::count(expected.begin(), expected.end(), Verdict::keep));
      EXPECT_EQ(report.exact, std::count(expected.begin(), expected.end(), Verdict::exact));
      EXPECT_EQ(report.near, std::count(expected.begin(), expected.end(), Verdict::near));
      EXPECT_EQ(report.documents, report.kept + report.exact + report.near);
      near += report.near, exact += report.exact;
    }
  }
  EXPECT_GT(near, 50);
  EXPECT_GT(exact, 50);
}

TEST_F(Dedup, VerificationSeparatesWhatOnlyMetByChance) {
  // With one row every pair that has anything in common meets somewhere.
  Texts units = random_corpus(77, 2, 60);
  auto section = dedup_section(false, true, 0.6);
  section.buckets = 64, section.rows = 1;
  const auto files = write_units(section, units, folder_ / "v");
  Deduplicator dedup(section, {files, folder_ / "v"});
  dedup.passes();
  const auto verified = dedup.finish();
  EXPECT_EQ(joined(dedup, 2), naive_verdicts(section, units));
  section.verify = 0;
  EXPECT_GT(std::ranges::count(naive_verdicts(section, units), Verdict::near), verified.near);
}

TEST_F(Dedup, TheSameFilesForAnyThreadsPartsAndMemory) {
  const Texts units = random_corpus(5, 5, 3000);
  auto section = dedup_section(true, true, 0.75);
  const auto files = write_units(section, units, folder_ / "fingerprints");
  const auto expected = results(section, files, folder_ / "first");
  EXPECT_EQ(expected.size(), 15u + 5 + 5 + 2);  // passes, verdicts, survivors, clusters and dedup.json
  int run = 0;
  for (const int threads : {1, 2, 4}) {
    for (const int parts : {1, 2, 3}) {
      for (const int64_t memory : {int64_t{64} << 10, int64_t{64} << 20}) {
        section.memory = memory / (run % 2 + 1);
        const auto found = results(section, files, folder_ / fmt::format("run-{}", run++), parts, threads);
        EXPECT_EQ(found, expected) << threads << " threads, " << parts << " parts, " << memory << " bytes";
      }
    }
  }
}

TEST_F(Dedup, UnitsOfAnySizeGiveTheSameSurvivors) {
  const Texts units = random_corpus(9, 1, 150);
  const auto section = dedup_section(true, true);
  const auto expected = naive_verdicts(section, units);
  for (const size_t cut : {2, 13, 150}) {
    Texts parted;
    for (size_t i = 0; i < units[0].size(); ++i) {
      if (i % cut == 0) parted.emplace_back();
      parted.back().push_back(units[0][i]);
    }
    parted.emplace_back();  // and a unit without documents
    const auto folder = folder_ / std::to_string(cut);
    Deduplicator dedup(section, {write_units(section, parted, folder), folder});
    dedup.passes();
    dedup.finish();
    EXPECT_EQ(joined(dedup, parted.size()), expected) << cut;
    EXPECT_TRUE(dedup.verdicts(static_cast<int64_t>(parted.size()) - 1).empty());
  }
}

TEST_F(Dedup, ReportsClustersByPlace) {
  const std::string a = "one two three four five six seven", b = "eight nine ten eleven twelve thirteen";
  const Texts units = {
      {a, b, "", "single text of its own words"}, {a, "One, two three: FOUR five six seven!", "??"}, {b}};
  const auto section = dedup_section(true, true);
  const auto folder = folder_ / "report";
  Deduplicator dedup(section, {write_units(section, units, folder), folder});
  EXPECT_THAT(printed_error([&] { dedup.report(); }), HasSubstr("dedup.json: error: expected the result"));
  dedup.passes();
  dedup.finish();
  const auto report = dedup.report();
  EXPECT_EQ(report.documents, 8);
  EXPECT_EQ(report.kept, 5);
  EXPECT_EQ(report.exact, 2);
  EXPECT_EQ(report.near, 1);
  EXPECT_EQ(report.no_words, 2);
  EXPECT_EQ(report.clusters, 2);
  EXPECT_EQ(report.sizes, (std::map<int64_t, int64_t>{{2, 2}}));  // 3 counts with 2
  ASSERT_EQ(report.largest.size(), 2u);
  EXPECT_EQ(report.largest[0].size, 3);
  EXPECT_EQ(report.largest[0].survivor, (DocumentPlace{0, 0}));
  EXPECT_EQ(report.largest[0].members, (std::vector<DocumentPlace>{{1, 0}, {1, 1}}));
  EXPECT_EQ(report.largest[1].members, (std::vector<DocumentPlace>{{2, 0}}));
  EXPECT_EQ(report.json(), DedupReport::from_json(report.json()).json());
  std::vector<std::string> lines;
  dedup.each_duplicate([&](DocumentPlace survivor, DocumentPlace dropped, Verdict verdict) {
    lines.push_back(fmt::format("{}:{} {}:{} {}", survivor.unit, survivor.index, dropped.unit, dropped.index,
                                static_cast<int>(verdict)));
  });
  EXPECT_EQ(lines, (std::vector<std::string>{"0:0 1:0 1", "0:0 1:1 2", "0:1 2:0 1"}));
  EXPECT_TRUE(dedup.survivors(0).empty());
  EXPECT_EQ(dedup.survivors(1), (std::vector<DocumentPlace>{{0, 0}, {0, 0}}));
  EXPECT_EQ(dedup.survivors(2), (std::vector<DocumentPlace>{{0, 1}}));
}

TEST_F(Dedup, KilledAnywhereAndStartedAgainGivesTheSameFiles) {
  const Texts units = random_corpus(21, 4, 2000);
  auto section = dedup_section(true, true);
  section.memory = 32 << 10;
  const auto files = write_units(section, units, folder_ / "fingerprints");
  const auto expected = results(section, files, folder_ / "whole");
  const auto folder = folder_ / "killed";
  std::filesystem::create_directories(folder);
  int killed = 0;
  for (int round = 0; round < 60; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      Deduplicator dedup(section, {files, folder});
      dedup.passes();
      dedup.finish();
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(1500 + 400 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
    if (!WIFSIGNALED(status)) break;
  }
  EXPECT_GT(killed, 2);
  Deduplicator dedup(section, {files, folder});
  dedup.passes();
  dedup.finish();
  auto found = contents(folder);
  std::erase_if(found, [](const auto& entry) { return entry.first.starts_with("."); });
  EXPECT_EQ(found, expected);
}

TEST_F(Dedup, FilesOfOtherDocumentsAreNotKept) {
  const auto section = dedup_section(true, true);
  Texts units = random_corpus(31, 2, 50);
  const auto folder = folder_ / "work";
  auto files = write_units(section, units, folder);
  results(section, files, folder);
  units[1][7] = units[0][3];
  files = write_units(section, units, folder);
  Deduplicator dedup(section, {files, folder});
  EXPECT_FALSE(dedup.passes_done());
  EXPECT_FALSE(dedup.finished());
  EXPECT_THAT(printed_error([&] { dedup.verdicts(0); }), HasSubstr("made from other fingerprints or settings"));
  dedup.passes();
  dedup.finish();
  EXPECT_EQ(joined(dedup, 2), naive_verdicts(section, units));
}

TEST_F(Dedup, DamagedFilesAreRefusedByName) {
  const auto section = dedup_section(true, false);
  const Texts units = {{"a", "b", "a", "a"}, {"b"}};
  const auto folder = folder_ / "work";
  const auto files = write_units(section, units, folder);
  const auto good = results(section, files, folder);
  for (const std::string name : {"dedup-pass-0.edges", "dedup-verdicts-0", "dedup-survivors-0", "dedup-clusters"}) {
    for (size_t i = 0; i < good.at(name).size(); ++i) {
      std::string bad = good.at(name);
      bad[i] ^= 0x40;
      write("work/" + name, bad);
      std::filesystem::remove(name == "dedup-pass-0.edges" ? folder / "dedup.json" : folder / "none");
      Deduplicator dedup(section, {files, folder});
      const auto error = printed_error([&] {
        if (name == "dedup-pass-0.edges") dedup.finish();
        if (name == "dedup-verdicts-0") dedup.verdicts(0);
        if (name == "dedup-survivors-0") dedup.survivors(0);
        if (name == "dedup-clusters") dedup.each_duplicate([](DocumentPlace, DocumentPlace, Verdict) {});
      });
      EXPECT_THAT(error, HasSubstr(name + ": error: ")) << "byte " << i;
    }
    write("work/" + name, good.at(name));
  }
}

TEST_F(Dedup, PairsFromOutsideAreChecked) {
  const auto section = dedup_section(true, false);
  const Texts units = {{"a", "b", "a"}};
  const auto folder = folder_ / "work";
  const auto files = write_units(section, units, folder);
  DedupInput input;
  {
    Deduplicator dedup(section, {files, folder});
    dedup.passes();
  }
  // A file of the right identity whose pairs point outside: the identity is read back from the good one.
  uint64_t identity;
  std::memcpy(&identity, slurp(folder / "dedup-pass-0.edges").data() + 16, sizeof identity);
  for (const auto& [earlier, later] : {std::pair<uint64_t, uint64_t>{0, 3}, {2, 1}, {1, 1}, {~uint64_t{0}, 1}}) {
    WordWriter out(folder / "dedup-pass-0.edges", WordKind::edges, identity);
    out.add(earlier), out.add(later);
    out.commit();
    Deduplicator dedup(section, {files, folder});
    EXPECT_THAT(printed_error([&] { dedup.finish(); }), HasSubstr("names documents that are not there"));
  }
}

TEST_F(Dedup, AThreadsErrorComesOut) {
  const auto section = dedup_section(true, true);
  const auto folder = folder_ / "work";
  const auto files = write_units(section, random_corpus(3, 2, 100), folder);
  Deduplicator dedup(section, {files, folder, 0, 1, 3});
  auto bytes = slurp(files[1]);
  bytes[bytes.size() - 20] ^= 1;
  write("work/unit-1.fingerprints", bytes);
  EXPECT_THAT(printed_error([&] { dedup.passes(); }),
              HasSubstr("unit-1.fingerprints: error: column 14 of block 0 is damaged"));
  EXPECT_FALSE(dedup.passes_done());
}

}  // namespace
}  // namespace plumb::data
