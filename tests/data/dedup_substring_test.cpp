// Repeated passages: against a naive search, at seams, characters and words, through files.
#include "core/files.h"
#include "data/dedup/repeated_windows.h"
#include "data/dedup/substring.h"
#include "tests/data/dedup_files.h"

namespace plumb::data {
namespace {

using testing::HasSubstr;

// Bit by bit as the header says.
std::vector<bool> naive_windows(const std::vector<std::string>& documents, size_t length) {
  std::vector<std::string> windows;  // "" where none fits
  std::vector<bool> marks;
  for (const auto& document : documents)
    for (size_t i = 0; i < document.size(); ++i)
      windows.push_back(i + length <= document.size() ? document.substr(i, length) : "");
  std::map<std::string, size_t> first;
  for (size_t i = 0; i < windows.size(); ++i) {
    if (windows[i].empty()) {
      marks.push_back(false);
      continue;
    }
    const size_t found = first.emplace(windows[i], i).first->second;
    marks.push_back(i >= found + length);
  }
  return marks;
}

TEST(RepeatedWindows, AsANaiveSearchFindsThem) {
  std::mt19937 random(2);
  int found = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t letters = 1 + random() % 4, length = 2 + random() % 9;
    std::vector<std::string> documents(1 + random() % 5);
    std::string text;
    std::vector<uint64_t> ends;
    for (auto& document : documents) {
      for (size_t size = random() % 60; size > 0; --size) document += static_cast<char>('a' + random() % letters);
      if (random() % 3 == 0) document += documents[random() % documents.size()];
      text += document;
      ends.push_back(text.size());
    }
    const auto marks = repeated_windows(text, ends, length);
    const auto expected = naive_windows(documents, length);
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(marks[i / 64] >> (i % 64) & 1, expected[i] ? 1u : 0u) << text << " at " << i << " length " << length;
      found += expected[i];
    }
  }
  EXPECT_GT(found, 1000);
}

class Substring : public DedupTest {
 protected:
  static config::DedupSection section(int64_t length) {
    config::DedupSection section;
    section.substring = length;
    return section;
  }
  Texts removed(const Texts& units, int64_t length, const std::string& name = "repeats") {
    const auto folder = folder_ / name;
    std::filesystem::create_directories(folder);
    SubstringDeduplicator repeats(section(length), folder, "input");
    EXPECT_FALSE(repeats.finished());
    for (const auto& unit : units) {
      repeats.begin_unit();
      for (const auto& text : unit) repeats.add(text);
    }
    counts_ = repeats.finish();
    const SubstringDeduplicator reader(section(length), folder, "input");
    EXPECT_TRUE(reader.finished());
    EXPECT_EQ(reader.counts().json(), counts_.json());
    Texts rest;
    for (size_t u = 0; u < units.size(); ++u) {
      const auto spans = reader.spans(static_cast<int64_t>(u));
      EXPECT_EQ(spans.size(), units[u].size());
      auto& texts = rest.emplace_back();
      for (size_t i = 0; i < spans.size(); ++i) texts.push_back(without_spans(units[u][i], spans[i]));
    }
    return rest;
  }
  SubstringCounts counts_;
};

const std::string passage =
    "the same long passage of words that stands in more than one document of the corpus, word for word. ";

TEST_F(Substring, TheFirstOccurrenceStays) {
  const Texts units = {{"Alpha begins here. " + passage + "Alpha ends.", "Untouched text."},
                       {"Beta begins so. " + passage + "Beta goes on, then again: " + passage + "And ends."}};
  const Texts expected = {units[0], {"Beta begins so. Beta goes on, then again: And ends."}};
  EXPECT_EQ(removed(units, 50), expected);
  EXPECT_EQ(counts_.documents, 3);
  EXPECT_EQ(counts_.documents_changed, 1);
  EXPECT_EQ(counts_.spans, 2);
  EXPECT_EQ(counts_.bytes_removed, static_cast<int64_t>(2 * passage.size()));
  EXPECT_EQ(counts_.bytes, static_cast<int64_t>(units[0][0].size() + units[0][1].size() + units[1][0].size()));
  EXPECT_EQ(removed(units, 102, "longer"), units);
}

TEST_F(Substring, CutsAtWordsAndCharacters) {
  // The equal bytes begin and end inside words: those words stay.
  const Texts words = {{"xx undo" + passage + "endless xx"}, {"yy redo" + passage + "endure yy"}};
  EXPECT_EQ(removed(words, 60)[1][0], "yy redothe endure yy");
  // Without white space: at characters, never inside one.
  const std::string common = "한글만있고빈칸이없는아주긴문장이여기서되풀이된다그래도글자가운데는자르지않는다";
  // U+AC01 and U+AC41 end with the same byte, U+AC02 and U+AC05 begin with the same two.
  const Texts characters = {{"\uAC01" + common + "\uAC02"}, {"\uAC41" + common + "\uAC05"}};
  const auto rest = removed(characters, 30, "characters");
  EXPECT_EQ(rest[1][0], "\uAC41\uAC05");
}

TEST_F(Substring, OverlappingRepeatsLeaveTheFirstPart) {
  const Texts units = {{std::string(1000, 'a')}, {std::string(90, 'a')}};
  const auto rest = removed(units, 100);
  EXPECT_EQ(rest[0][0], std::string(100, 'a'));
  EXPECT_EQ(rest[1][0], units[1][0]);
}

TEST_F(Substring, DocumentsAreNotJoined) {
  const Texts units = {{passage.substr(0, 60), passage.substr(60), passage}};
  EXPECT_EQ(removed(units, 70), units);
}

TEST_F(Substring, UnitsChangeNothing) {
  Texts one = {{}}, many;
  std::mt19937 random(9);
  for (int i = 0; i < 60; ++i) {
    std::string text;
    for (int k = 0; k < 30; ++k) text += fmt::format("word{} ", random() % 3);
    one[0].push_back(text);
    many.push_back({text});
  }
  const auto joined = removed(one, 40, "one"), parted = removed(many, 40, "many");
  for (size_t i = 0; i < parted.size(); ++i) EXPECT_EQ(parted[i][0], joined[0][i]);
  EXPECT_GT(counts_.spans, 30);
}

TEST_F(Substring, WhatDoesNotFitIsAnErrorWithAHint) {
  auto small = section(100);
  small.memory = 16 << 20;
  SubstringDeduplicator repeats(small, folder_);
  repeats.begin_unit();
  const std::string text(1 << 20, 'x');
  repeats.add(text);
  EXPECT_EQ(printed_error([&] { repeats.add(text); }),
            "data.dedup.substring: error: the corpus does not fit: 16.0 MiB of memory are enough for 1.7 MiB of text\n"
            "      hint: raise data.dedup.memory, build on a larger machine, or write data.dedup.substring: none");
}

TEST_F(Substring, FilesAreChecked) {
  const Texts units = {{passage + "a"}, {passage + "b"}};
  removed(units, 50);
  const auto folder = folder_ / "repeats";
  EXPECT_FALSE(SubstringDeduplicator(section(50), folder, "other input").finished());
  EXPECT_FALSE(SubstringDeduplicator(section(51), folder, "input").finished());
  const SubstringDeduplicator reader(section(50), folder, "input");
  const std::string good = slurp(folder / "dedup-repeats-1");
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 1;
    write("repeats/dedup-repeats-1", bad);
    EXPECT_THAT(printed_error([&] { reader.spans(1); }), HasSubstr("dedup-repeats-1: error: ")) << i;
  }
}

}  // namespace
}  // namespace plumb::data
