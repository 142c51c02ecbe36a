// Errors, files, hashes, random numbers, JSON, words for people.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"
#include "core/philox.h"
#include "core/progress.h"

namespace plumb::core {
namespace {

using testing::HasSubstr;

class Folder : public testing::Test {
 protected:
  fs::path folder = fs::path(testing::TempDir()) / ("core-" + std::to_string(::getpid()));
  void SetUp() override { fs::create_directories(folder); }
  void TearDown() override { fs::remove_all(folder); }
  size_t entries() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder), {})); }
};

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Error, PrintsWhereMessageAndHint) {
  const Error error(ExitCode::bad_input, "expected an int, found \"eight\"", "a.yaml:3:4", "write 8");
  EXPECT_STREQ(error.what(), "a.yaml:3:4: error: expected an int, found \"eight\"\n      hint: write 8");
  EXPECT_STREQ(Error(ExitCode::internal, "broken").what(), "error: broken");
  EXPECT_EQ(error.code(), ExitCode::bad_input);
}

TEST(Error, WhatAnyExceptionMeans) {
  const auto told = [](std::errc kind) {
    return as_error(std::filesystem::filesystem_error("cannot create directories", "/a/b", std::make_error_code(kind)));
  };
  EXPECT_STREQ(told(std::errc::permission_denied).what(),
               "/a/b: error: cannot create directories: Permission denied\n"
               "      hint: another folder, or one that this user may write to");
  EXPECT_EQ(told(std::errc::read_only_file_system).code(), ExitCode::bad_input);
  EXPECT_EQ(told(std::errc::not_a_directory).code(), ExitCode::bad_input);
  EXPECT_EQ(told(std::errc::no_space_on_device).code(), ExitCode::out_of_resources);
  EXPECT_EQ(told(std::errc::io_error).code(), ExitCode::internal);
  EXPECT_EQ(as_error(std::bad_alloc()).code(), ExitCode::out_of_resources);
  EXPECT_STREQ(as_error(std::logic_error("odd")).what(),
               "error: internal error: odd\n      hint: this is a bug in plumb; please report it");
  EXPECT_EQ(as_error(Error(ExitCode::numerics, "no number")).code(), ExitCode::numerics);
}

// A killed process's file goes, one of this process or of another host does not; and nobody's is in the way of a new
// one.
TEST_F(Folder, LeftoversAreThoseOfTheDead) {
  const auto files = [&] {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder)) names.insert(entry.path().filename().string());
    return names;
  };
  const AtomicFile living(folder / "pass-1");
  ASSERT_EQ(files().size(), 1u);
  const auto own = *files().begin();
  const pid_t child = ::fork();
  if (child == 0) {
    new AtomicFile(folder / "pass-1");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  ASSERT_EQ(files().size(), 2u);
  auto foreign = own;
  foreign.replace(foreign.find(".part-") + 6, 8, "00000000");
  write_text(folder / foreign, "");
  auto former = own;  // of a process that had this one's pid before
  former.replace(former.rfind('-') - 8, 8, "00000000");
  write_text(folder / former, "");
  fs::create_directories(folder / former.replace(former.rfind('-') - 8, 8, "00000001") / "of a folder");
  remove_leftovers(folder, "pass-");
  EXPECT_EQ(files(), (std::set<std::string>{own, foreign}));
  EXPECT_NE(temporary_beside(folder / "pass-1"), temporary_beside(folder / "pass-1"));
  EXPECT_EQ(temporary_beside(folder / "pass-1").filename().string().substr(0, own.rfind('-')),
            own.substr(0, own.rfind('-')));
  remove_leftovers(folder, "other");
  EXPECT_EQ(files().size(), 2u);
}

TEST_F(Folder, AtomicFileShowsAllOrNothing) {
  const fs::path file = folder / "a.txt";
  write_text(file, "old");
  {
    AtomicFile half(file);
    half.write("new");
  }
  EXPECT_EQ(read_text(file), "old");
  EXPECT_EQ(entries(), 1u) << "the temporary stays behind";
  AtomicFile whole(file);
  whole.write("0123456789");
  const std::string patch = "AB";
  whole.write_at(4, std::as_bytes(std::span(patch.data(), patch.size())));
  EXPECT_EQ(read_text(file), "old");
  whole.commit();
  EXPECT_EQ(read_text(file), "0123AB6789");
}

TEST_F(Folder, FolderIsCommittedByRename) {
  fs::create_directories(folder / "t/inner");
  write_text(folder / "t/inner/x", "1");
  commit_folder(folder / "t", folder / "step-1");
  EXPECT_EQ(read_text(folder / "step-1/inner/x"), "1");
  EXPECT_FALSE(fs::exists(folder / "t"));
}

TEST_F(Folder, WhatIsNoFileIsRefused) {
  EXPECT_THAT(message_of([&] { MappedFile(folder / "none"); }), HasSubstr("none: error: cannot open: No such file"));
  EXPECT_THAT(message_of([&] { MappedFile map(folder); }), HasSubstr("expected a file, found a folder"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(message_of([&] { read_text(folder / "pipe"); }), HasSubstr("found a device, pipe or socket"));
  EXPECT_THAT(message_of([&] { MappedFile map("/dev/zero"); }), HasSubstr("expected a regular file"));
  write_text(folder / "big", std::string(100, 'x'));
  EXPECT_THAT(message_of([&] { read_text(folder / "big", 99); }), HasSubstr("expected at most 99 bytes"));
  EXPECT_EQ(read_text(folder / "big", 100).size(), 100u);
}

TEST_F(Folder, EmptyFilesMapAndLinesAppend) {
  write_text(folder / "empty", "");
  EXPECT_EQ(MappedFile(folder / "empty").bytes().size(), 0u);
  append_line(folder / "log", "one");
  append_line(folder / "log", "two");
  MappedFile first(folder / "log");
  MappedFile moved = std::move(first);
  EXPECT_EQ(moved.text(), "one\ntwo\n");
}

TEST_F(Folder, FullDiskEndsWithCode3) {
  try {
    append_line("/dev/full", "x");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::out_of_resources);
  }
}

TEST(Machine, SaysWhatIsFree) {
  EXPECT_GT(available_bytes("."), 0);
  EXPECT_GT(available_memory(), int64_t{1} << 20);
  EXPECT_LT(available_memory(), int64_t{1} << 50);
  EXPECT_GT(resident_memory(), int64_t{1} << 18);
}

// FIPS 180-2 appendix B.1; XXH3 of the empty input is published with the algorithm.
TEST(Hash, PublishedVectors) {
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 parts;
  parts.update("a");
  parts.update("bc");
  EXPECT_EQ(parts.hex(), sha256("abc"));
  EXPECT_EQ(xxh3(std::string_view()), 0x2D06800538D394C2ull);
  EXPECT_NE(xxh3("abc", 0), xxh3("abc", 1));
}

// Random123 1.14, tests/kat_vectors, philox4x32 10.
TEST(Philox, PublishedVectors) {
  const auto zero = philox(0, 0, 0);
  EXPECT_THAT(zero.x, testing::ElementsAre(0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u));
  const auto ones = philox(~0ull, ~0ull, ~0ull);
  EXPECT_THAT(ones.x, testing::ElementsAre(0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu));
  const auto pi = philox(0x299f31d0a4093822ull, 0x85a308d3243f6a88ull, 0x0370734413198a2eull);
  EXPECT_THAT(pi.x, testing::ElementsAre(0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u));
  EXPECT_GT(uniform01(0), 0.0f);
  EXPECT_LT(uniform01(~0u), 1.0f);
}

TEST(Json, ReadsInOrder) {
  EXPECT_EQ(parse_json(R"({"b":[1,2.5,null,true,"\u00e9"],"a":{}})", "x").dump(),
            "{\"b\":[1,2.5,null,true,\"é\"],\"a\":{}}");
  EXPECT_EQ(parse_json("18446744073709551615", "x").get<uint64_t>(), ~0ull);
}

TEST(Json, RefusesWithAPlace) {
  const auto refuse = [](const std::string& text) { return message_of([&] { parse_json(text, "m.json"); }); };
  EXPECT_THAT(refuse("{\"a\": 1,\n \"a\": 2}"), HasSubstr("m.json:2:4: error: found the key \"a\" twice"));
  EXPECT_THAT(refuse(std::string(257, '[') + std::string(257, ']')), HasSubstr("expected at most 256 levels"));
  EXPECT_EQ(refuse(std::string(256, '[') + std::string(256, ']')), "no error");
  EXPECT_THAT(refuse(std::string(1000000, '[')), HasSubstr("m.json:1:257: error"));
  EXPECT_THAT(refuse("{\"a\": 1} x"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refuse(""), HasSubstr("m.json:1:1: error: not valid JSON"));
  EXPECT_THAT(refuse("\"\xff\""), HasSubstr("ill-formed UTF-8"));
  EXPECT_THAT(refuse("1e400"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refuse("[NaN]"), HasSubstr("m.json:1:2: error"));
}

TEST(Words, ForPeople) {
  EXPECT_EQ(with_commas(1040254976), "1,040,254,976");
  EXPECT_EQ(with_commas(-1000), "-1,000");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(INT64_MIN), "-9,223,372,036,854,775,808");
  EXPECT_EQ(counted(1, "documents"), "1 document");
  EXPECT_EQ(counted(0, "documents"), "0 documents");
  EXPECT_EQ(counted(1234, "documents"), "1,234 documents");
  EXPECT_EQ(human_bytes(16.0 * (1 << 30)), "16.0 GiB");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_duration(192), "3m12s");
  EXPECT_EQ(human_duration(12 * 3600 + 38 * 60), "12h38m");
  EXPECT_EQ(human_count(412345), "412k");
  EXPECT_EQ(human_count(999.6), "1.00k");
}

TEST(Progress, LinesGoToStandardError) {
  testing::internal::CaptureStderr();
  ProgressBar bar("reading", 100, "documents", ProgressStyle::lines);
  bar.update(100);
  bar.finish();
  bar.finish();
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_THAT(printed, HasSubstr("reading  100 documents in "));
  EXPECT_EQ(std::count(printed.begin(), printed.end(), '\n'), 1);
  testing::internal::CaptureStderr();
  ProgressBar share("comparing", 1000, "", ProgressStyle::lines);
  share.update(1000);
  share.finish();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("comparing  done in "));
  EXPECT_THAT(message_of([] { progress_style("fancy"); }), HasSubstr("expected auto, bar, lines or none"));
}

// What standard error, a terminal of so many columns, is sent by `work`.
std::string on_terminal(unsigned short columns, const std::function<void()>& work) {
  const int screen = ::posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_EQ(::grantpt(screen), 0);
  EXPECT_EQ(::unlockpt(screen), 0);
  const int terminal = ::open(::ptsname(screen), O_RDWR | O_NOCTTY);
  const winsize size{24, columns, 0, 0};
  EXPECT_EQ(::ioctl(terminal, TIOCSWINSZ, &size), 0);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(terminal, STDERR_FILENO);
  work();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::close(terminal);
  std::string sent;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(screen, buffer, sizeof buffer)) > 0;) sent.append(buffer, static_cast<size_t>(n));
  ::close(screen);
  return sent;
}

TEST(Progress, ABarFitsItsTerminalAndLeavesLinesAlone) {
  const std::map<int, std::vector<std::string>> shown = {
      {120, {"training  [", "10/12 steps", "steps/s", "83.3%", "ETA ", "loss 4.6600"}},
      {80, {"training  [", "10/12 steps", "83.3%", "ETA ", "loss 4.6600"}},
      {60, {"training  10/12 steps", "83.3%", "ETA ", "loss 4.6600"}},
      {45, {"10/12 steps", "83.3%", "ETA ", "loss 4.6600"}},
      {20, {"10/12 steps"}}};
  for (const auto& [columns, parts] : shown) {
    const auto sent = on_terminal(static_cast<unsigned short>(columns), [] {
      ProgressBar bar("training", 12, "steps", ProgressStyle::bar);
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
      bar.update(10, "loss 4.6600");
      say("saved     step-10");
    });
    // Drawn, taken away for the line, drawn again, taken away at the end.
    std::vector<std::string> pieces;
    for (size_t at = 0, end = 0; end != std::string::npos; at = end + 4) {
      end = sent.find("\r\x1b[K", at);
      pieces.push_back(sent.substr(at, end - at));
    }
    ASSERT_EQ(pieces.size(), 4u) << columns << " " << sent;
    EXPECT_EQ(pieces[0] + pieces[3], "") << columns;
    EXPECT_LT(pieces[1].size(), static_cast<size_t>(columns)) << pieces[1];
    for (const auto& part : parts) EXPECT_THAT(pieces[1], HasSubstr(part)) << columns;
    EXPECT_EQ(pieces[2], "saved     step-10\r\n" + pieces[1]) << columns;
  }
}

TEST(Progress, WhatAnEarlierStartHasDoneIsNoPartOfTheRate) {
  const auto sent = on_terminal(200, [] {
    ProgressBar bar("training", 1'000'000, "steps", ProgressStyle::bar, 900'000);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    bar.update(900'010);
  });
  EXPECT_THAT(sent, HasSubstr("90.0%"));
  EXPECT_THAT(sent, testing::ContainsRegex("  [1-5][0-9] steps/s"));
}

TEST(Log, BracesInTextAreText) {
  testing::internal::CaptureStderr();
  say("a {} b {x}");
  warning("{} {{y}}", 3);
  const std::string printed = testing::internal::GetCapturedStderr();
  EXPECT_EQ(printed, "a {} b {x}\nwarning: 3 {y}\n");
}

}  // namespace
}  // namespace plumb::core
