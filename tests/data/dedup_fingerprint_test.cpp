// What is compared of a document: simplified words, minima, buckets, and their file.
#include <random>

#include "data/dedup/minhash_kernel.h"
#include "data/dedup/simple_words.h"
#include "tests/data/dedup_files.h"

namespace plumb::data {
namespace {

using testing::HasSubstr;
using Words = std::vector<std::string>;

TEST(SimpleWords, AsDatatroveSimplifies) {
  const std::vector<std::pair<std::string, Words>> cases = {
      {"", {}},
      {" \n\t ", {}},
      {"...!?", {}},
      {"Hello, World!", {"hello", "world"}},
      {"don't e-mail me_now", {"don", "t", "e", "mail", "me", "now"}},
      {"3.14 and 1,000,000 or 12.", {"0", "and", "0", "0", "or", "0"}},
      {"abc123def4.5x 7e8", {"abc0def0x", "0e0"}},
      {"٣٫١٤ १२३", {"0", "0"}},
      {"Ünïcödé CAFÉ", {"unicode", "cafe"}},
      {"Cafe\u0301 café", {"cafe", "cafe"}},
      {"ΣΊΣΥΦΟΣ σίσυφος", {"σισυφοσ", "σισυφοσ"}},
      {"İstanbul ŞIŞLI", {"istanbul", "sisli"}},
      {"a\u00ADb c\u200Dd e\u200Bf", {"ab", "cd", "e", "f"}},
      {"10€ + 5", {"0", "€", "0"}},
      {"hi😀😀there", {"hi", "😀", "😀", "there"}},
      {"漢字かな交じり、文。", {"漢", "字", "か", "な", "交", "し", "り", "文"}},
      {"\U00020000\U00020001x", {"\U00020000", "\U00020001", "x"}},
      {"สวัสดีชาวโลก", {"สวสด", "ชาว", "โลก"}},
      {"ok \xFF\xC0\x80 bad\xE2\x82 end", {"ok", "bad", "end"}},
      {std::string("a\0b", 3), {"a", "b"}},
  };
  for (const auto& [text, words] : cases) EXPECT_EQ(simple_words(text), words) << text;
}

TEST(SimpleWords, HangulIsTheSameComposedOrNot) {
  const std::string composed = "한국어 문장",
                    decomposed =
                        "\u1112\u1161\u11AB\u1100\u116E\u11A8\u110B\u1165 \u1106\u116E\u11AB\u110C\u1161\u11BC";
  ASSERT_NE(composed, decomposed);
  EXPECT_EQ(simple_words(composed), simple_words(decomposed));
  EXPECT_EQ(simple_words(composed).size(), 2u);
}

TEST(SimpleWords, OneHashForEachWord) {
  std::vector<uint64_t> hashes;
  std::map<std::string, uint64_t> hash_of;
  std::set<uint64_t> different;
  const std::string giant(20000, 'z');
  for (const auto& text :
       {std::string("the cat, the hat; THE 12 cats 한국어 漢字 漢 é e"), giant + " the " + giant + "z"}) {
    simple_word_hashes(text, hashes);
    const auto words = simple_words(text);
    ASSERT_EQ(hashes.size(), words.size());
    for (size_t i = 0; i < words.size(); ++i) EXPECT_EQ(hash_of.emplace(words[i], hashes[i]).first->second, hashes[i]);
  }
  for (const auto& [word, hash] : hash_of) EXPECT_TRUE(different.insert(hash).second) << word;
}

TEST(SimpleWords, AnyBytesAreTaken) {
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 40, ' ');
    for (char& c : text) c = static_cast<char>(random() % 4 ? 0x80 + random() % 128 : random() % 128);
    std::vector<uint64_t> hashes;
    simple_word_hashes(text, hashes);
    EXPECT_EQ(hashes.size(), simple_words(text).size());
  }
}

TEST(MinhashKernel, EveryPathGivesTheSameMinima) {
  std::mt19937 random(5);
  for (const size_t rows : {1, 8, 32, 112, 513}) {
    const MinhashRows family(rows);
    for (const size_t count : {0, 1, 2, 7, 256}) {
      std::vector<uint32_t> low(count), high(count);
      for (size_t i = 0; i < count; ++i) low[i] = random(), high[i] = random();
      std::vector<uint32_t> expected(family.low.size(), ~0u);
      for (size_t row = 0; row < expected.size(); ++row)
        for (size_t i = 0; i < count; ++i)
          expected[row] = std::min(expected[row], family.low[row] * low[i] + family.high[row] * high[i]);
      for (const auto path : {MinhashPath::plain, MinhashPath::avx2, MinhashPath::avx512}) {
        if (!runs_here(path)) continue;
        std::vector<uint32_t> minima(family.low.size(), ~0u);
        lower_minima(path, family, low.data(), high.data(), count, minima.data());
        EXPECT_EQ(minima, expected) << rows << " rows, " << count << " shingles, path " << static_cast<int>(path);
      }
    }
  }
}

TEST(Fingerprinter, ComparesWhatItShould) {
  const Fingerprinter print(dedup_section(true, true, 0.7));
  const auto a = print.of("The quick brown fox jumps over 12 lazy dogs.");
  const auto b = print.of("  the QUICK brown fox: jumps over 99 lazy dogs\n");
  EXPECT_NE(a.hash, b.hash);
  EXPECT_EQ(a.bands, b.bands);
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.bands.size(), 14u);
  EXPECT_EQ(a.rows.size(), 112u);
  EXPECT_EQ(print.of("x y").hash, print.of("\n x y\t").hash);
  EXPECT_NE(print.of("x y").hash, print.of("x  y").hash);
  // Fewer words than a shingle: one shingle of all of them.
  EXPECT_EQ(print.of("two words").bands, print.of("Two, words!").bands);
  EXPECT_NE(print.of("two words").bands, print.of("two words more").bands);
  EXPECT_NE(print.of("two words").bands, print.of("words two").bands);
  // Without words no bucket at all.
  EXPECT_EQ(print.of("?!").bands, std::vector<uint64_t>(14, 0));
  EXPECT_EQ(print.of("").bands, std::vector<uint64_t>(14, 0));
  // Shingles are a set: their number and place do not matter.
  EXPECT_EQ(print.of("a b c d e a b c d e a b c d e a").bands, print.of("e a b c d e a b c d e").bands);
}

TEST(Fingerprinter, StaysTheSameFromReleaseToRelease) {
  const Fingerprinter print(dedup_section(true, true));
  const auto found = print.of("The quick brown fox jumps over the lazy dog. 다람쥐 헌 쳇바퀴에 타고파.");
  EXPECT_EQ(fmt::format("{:016x}{:016x}", found.hash[0], found.hash[1]), "f90cecb81fc321c85fb92ff36b9713bb");
  EXPECT_EQ(fmt::format("{:016x} {:016x}", found.bands[0], found.bands[13]), "cba113bc51a0f7a5 b9829e4822489767");
}

TEST(Fingerprinter, IdentityNamesWhatChangesIt) {
  std::set<uint64_t> identities;
  auto section = dedup_section(true, true);
  const auto add = [&] { return identities.insert(Fingerprinter(section).identity_hash()).second; };
  EXPECT_TRUE(add());
  section.memory = 1 << 30;
  EXPECT_FALSE(add());
  section.ngram = 6;
  EXPECT_TRUE(add());
  section.buckets = 20;
  EXPECT_TRUE(add());
  section.rows = 4;
  EXPECT_TRUE(add());
  section.verify = 0.5;
  EXPECT_TRUE(add());
  section.exact = false;
  EXPECT_TRUE(add());
  section.minhash = false;
  EXPECT_TRUE(add());
}

class FingerprintFile : public DedupTest {
 protected:
  std::vector<Fingerprint> texts_of(const Fingerprinter& print, int count) {
    std::vector<Fingerprint> all;
    for (int i = 0; i < count; ++i)
      all.push_back(print.of(fmt::format("document {} of {}", std::string(1 + i % 9, 'a'), i)));
    return all;
  }
  static void read_all(const std::filesystem::path& file, const Fingerprinter& print) {
    const FingerprintReader reader(file, print);
    for (int64_t i = 0; i < reader.documents(); ++i) reader.read(i);
  }
};

TEST_F(FingerprintFile, GivesBackWhatWasAdded) {
  for (const double verify : {0.0, 0.6}) {
    for (const int count : {0, 1, 4095, 4096, 4097, 9000}) {
      const Fingerprinter print(dedup_section(true, true, verify));
      const auto all = texts_of(print, count);
      const auto file = folder_ / "unit-0.fingerprints";
      {
        FingerprintWriter out(file, print);
        for (const auto& one : all) out.add(one);
        out.commit();
      }
      const FingerprintReader reader(file, print);
      ASSERT_EQ(reader.documents(), count);
      EXPECT_EQ(reader.blocks(), (count + 4095) / 4096);
      for (int i = 0; i < count; i += 613) EXPECT_EQ(reader.read(i), all[i]);
      if (count > 0) {
        EXPECT_EQ(reader.read(count - 1), all.back());
      }
    }
  }
}

TEST_F(FingerprintFile, EveryFlippedByteIsFound) {
  auto section = dedup_section(true, true, 0.5);
  section.buckets = 2, section.rows = 3;
  const Fingerprinter print(section);
  const auto file = folder_ / "unit-0.fingerprints";
  FingerprintWriter out(file, print);
  for (const auto& one : texts_of(print, 5)) out.add(one);
  out.commit();
  const std::string good = slurp(file);
  EXPECT_NO_THROW(read_all(file, print));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] ^= 0x10;
    write("unit-0.fingerprints", bad);
    EXPECT_THROW(read_all(file, print), Error) << "byte " << i;
  }
  for (size_t size = 0; size < good.size(); ++size) {
    write("unit-0.fingerprints", good.substr(0, size));
    EXPECT_THROW(read_all(file, print), Error) << "size " << size;
  }
  write("unit-0.fingerprints", good + "x");
  EXPECT_THROW(read_all(file, print), Error);
}

TEST_F(FingerprintFile, ErrorsNameTheFile) {
  const Fingerprinter print(dedup_section(true, true)), other(dedup_section(true, false));
  const auto file = folder_ / "unit-0.fingerprints";
  {
    FingerprintWriter out(file, print);
    out.add(print.of("x"));
    EXPECT_THAT(printed_error([&] { out.add(other.of("x")); }), HasSubstr("other settings"));
    out.commit();
  }
  EXPECT_THAT(printed_error([&] { read_all(file, other); }),
              HasSubstr("unit-0.fingerprints: error: its fingerprints were made with other settings of data.dedup"));
  EXPECT_THAT(printed_error([&] { read_all(folder_ / "none", print); }), HasSubstr("none: error: cannot open"));
  write("text", std::string(100, 'x'));
  EXPECT_THAT(printed_error([&] { read_all(folder_ / "text", print); }), HasSubstr("expected a fingerprint file"));
  { FingerprintWriter never(folder_ / "never", print); }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "never"));
}

}  // namespace
}  // namespace plumb::data
