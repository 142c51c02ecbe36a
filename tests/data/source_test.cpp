// Reading sources: every container, hostile and broken input.
#include "data/source/source.h"

#include <zlib.h>
#include <zstd.h>

#include "data_files.h"

namespace plumb::data {
namespace {

class SourceTest : public DataTest {
 protected:
  struct Read {
    std::vector<Record> records;
    std::vector<std::string> malformed;
  };
  Read read(const config::Source& from, bool strict = false) {
    Read out;
    read_source(
        from, strict, [&](Record&& record) { out.records.push_back(std::move(record)); },
        [&](const std::string& where, const std::string& reason) {
          out.malformed.push_back(where.substr(folder_.string().size() + 1) + ": " + reason);
        });
    return out;
  }
  // Of a file that cannot be read to its end: an Error when strict, else one malformed row beside what came before.
  std::string damage(const std::string& file, size_t before = 0) {
    const auto got = read(source(file));
    EXPECT_EQ(got.records.size(), before) << file;
    EXPECT_EQ(got.malformed.size(), 1u) << file;
    const auto error = error_of([&] { read(source(file), true); });
    if (got.malformed.size() != 1) return error;
    const auto found = got.malformed[0].find(": ") + 2, hint = got.malformed[0].find("; hint: ");
    EXPECT_THAT(error, testing::HasSubstr(got.malformed[0].substr(found, hint - found)));
    const auto helps = hint == std::string::npos ? "" : got.malformed[0].substr(hint + 2);
    EXPECT_THAT(error, testing::HasSubstr(helps));
    return got.malformed[0];
  }
  std::vector<std::string> texts(const config::Source& from) {
    std::vector<std::string> out;
    for (auto& record : read(from).records) out.push_back(record.text);
    return out;
  }
};

using Texts = std::vector<std::string>;

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

TEST_F(SourceTest, TextFileIsOneDocument) {
  EXPECT_EQ(texts(source(write("a.txt", "one\r\ntwo\n\nthree"))), Texts{"one\ntwo\n\nthree"});
  EXPECT_EQ(texts(source(write("bom.txt", "\xEF\xBB\xBFx"))), Texts{"x"});
  EXPECT_EQ(texts(source(write("short.txt", "\xEF\xBB"))), Texts{});  // no whole byte order mark, and no UTF-8
  EXPECT_EQ(texts(source(write("short.txt", "x"))), Texts{"x"});
  EXPECT_EQ(texts(source(write("empty.txt", ""))), Texts{""});
  EXPECT_EQ(texts(source(write("nul.txt", std::string_view("a\0b", 3)))), Texts{std::string("a\0b", 3)});
  EXPECT_THAT(damage(write("utf16.txt", "\xFF\xFEh\0i")), testing::HasSubstr("UTF-16"));
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "a.txt", "alpaca")); }), testing::HasSubstr("needs rows"));
}

// Every letter beyond ASCII would be lost, and nothing later on would tell.
TEST_F(SourceTest, ATextOfAnotherEncodingIsRefused) {
  const auto said = [](const char* parts, const char* are, const char* place) {
    return testing::HasSubstr(std::string("expected UTF-8, found another encoding: beyond ASCII ") + parts +
                              " byte sequences are no UTF-8 and " + are + " are, the first on " + place +
                              "; hint: convert it from what it was written in: iconv -f CP949 -t UTF-8");
  };
  // "plain\n한국어 문서입니다.\n" in CP949: three pairs of its bytes are a character of UTF-8 by chance.
  const std::string korean = "plain\n\xC7\xD1\xB1\xB9\xBE\xEE \xB9\xAE\xBC\xAD\xC0\xD4\xB4\xCF\xB4\xD9.\n";
  EXPECT_THAT(damage(write("cp949.txt", korean)), said("10", "3", "line 2, byte 6"));
  EXPECT_THAT(damage(write("cp949.md", "---\ntitle: x\n---\n" + korean)), said("10", "3", "line 5, byte 23"));
  EXPECT_THAT(damage(write("cp949.txt.gz", gzip(korean))), said("10", "3", "line 2, byte 6"));
  EXPECT_THAT(damage(write("latin1.txt", "caf\xE9")), said("1", "0", "line 1, byte 3"));
  EXPECT_THAT(damage(write("marked.txt", "\xEF\xBB\xBF\xE9t\xE9")), said("2", "0", "line 1, byte 3"));
  EXPECT_THAT(error_of([&] { read(source(folder_ / "latin1.txt"), true); }),
              testing::AllOf(testing::HasSubstr("latin1.txt: error: expected UTF-8"), testing::HasSubstr("hint: ")));
  // The place is right beyond what is read at a time.
  std::string french;
  while (french.size() < (3 << 20)) french += "un long texte sans accent\n";
  const auto at = french.size();
  for (int i = 0; i < 1000; ++i) french += "\xE0 l'\xE9t\xE9\n";
  EXPECT_THAT(damage(write("long.txt", french)), testing::HasSubstr("byte " + std::to_string(at) + "; hint"));
}

// A stray byte is damage of that place, not another encoding.
TEST_F(SourceTest, AStrayByteInUtf8IsReadAndItsPlaceKnown) {
  const auto one = [&](const std::string& text, const char* name = "stray.txt") {
    auto got = read(source(write(name, text)));
    EXPECT_EQ(got.malformed, Texts{});
    return got.records.size() == 1 ? std::move(got.records[0]) : Record();
  };
  const std::string korean = "문서 하나에는 글자가 많다.\n", plain(10'000, 'x');
  EXPECT_EQ(one(korean).invalid_utf8, std::nullopt);
  EXPECT_EQ(one(korean + "\xFF").invalid_utf8, korean.size());
  EXPECT_EQ(one(korean + "\xFF").text, korean + "\xFF");  // the tokenizer or data.clean replaces and counts it
  EXPECT_EQ(one("\xEF\xBB\xBF" + korean + "\xEB\xAC").invalid_utf8, 3 + korean.size());
  EXPECT_EQ(one("---\nkey: a\n---\n" + korean + "\xFF", "stray.md").invalid_utf8, 15 + korean.size());
  EXPECT_EQ(one(plain + "\xE9").invalid_utf8, plain.size());
  EXPECT_THAT(damage(write("two.txt", plain + "\xE9\xE9")), testing::HasSubstr("2 byte sequences"));
  // As many of the one as of the other: no text that is UTF-8 looks so.
  EXPECT_THAT(damage(write("half.txt", "\xE9t\xE9 \xC3\xA9t\xC3\xA9")), testing::HasSubstr("and 2 are"));
  EXPECT_EQ(one("\xE9t\xE9 \xC3\xA9t\xC3\xA9 \xC3\xA0").invalid_utf8, 0u);
}

TEST_F(SourceTest, JsonLines) {
  const auto file = write("a.jsonl",
                          "\xEF\xBB\xBF{\"text\": \"one\"}\r\n"
                          "\n"
                          "{\"text\": \"t\\u00fc\\u0000\"}\n"
                          "{\"text\": \"broken\n"
                          "{\"text\": \"lone \\ud83d\"}\n"
                          "{\"other\": 1}\n"
                          "[1]\n"
                          "{\"text\": \"bad \xC3\x28\"}\n"
                          "{\"text\": null}\n"
                          "{\"text\": [\"a\", \"b\"]}\n"
                          "{\"text\": \"last\"}\n"
                          "{\"text\": 17}\n"
                          "{\"text\": [\"a\", true]}\n");
  const auto got = read(source(file));
  ASSERT_EQ(got.records.size(), 4u);
  EXPECT_EQ(got.records[1].text, std::string("t\xC3\xBC\0", 4));
  EXPECT_EQ(got.records[2].text, "a\nb");
  EXPECT_EQ(got.records[3].text, "last");
  EXPECT_EQ(got.records[3].where, file + ":11");
  ASSERT_EQ(got.malformed.size(), 8u);
  EXPECT_THAT(got.malformed[0], testing::StartsWith("a.jsonl:4: not JSON"));
  EXPECT_THAT(got.malformed[1], testing::StartsWith("a.jsonl:5: not JSON"));
  EXPECT_EQ(got.malformed[2], "a.jsonl:6: expected a field \"text\", found only: other");
  EXPECT_EQ(got.malformed[3], "a.jsonl:7: expected an object as row, found array");
  EXPECT_THAT(got.malformed[4], testing::StartsWith("a.jsonl:8: not JSON"));
  EXPECT_EQ(got.malformed[5], "a.jsonl:9: field \"text\": expected a text, found null");
  const std::string hint = "; hint: fields: {text: COLUMN} names the column that holds the text";
  EXPECT_EQ(got.malformed[6], "a.jsonl:12: field \"text\": expected a text, found number" + hint);
  EXPECT_EQ(got.malformed[7], "a.jsonl:13: field \"text\": expected a text, found boolean" + hint);
  EXPECT_THAT(error_of([&] { read(source(file), true); }), testing::HasSubstr("a.jsonl:4"));
}

TEST_F(SourceTest, DeepNestingIsMalformedNotACrash) {
  const std::string deep = "{\"text\": " + std::string(1000000, '[') + std::string(1000000, ']') + "}";
  const auto got = read(source(write("deep.jsonl", deep + "\n{\"text\": \"fine\"}\n")));
  ASSERT_EQ(got.malformed.size(), 1u);
  EXPECT_THAT(got.malformed[0], testing::HasSubstr("nested deeper"));
  EXPECT_EQ(got.records.size(), 1u);
}

TEST_F(SourceTest, HugeLineIsMalformedAndBounded) {
  // 1 GB that compresses to little: a bomb. It must neither be kept in memory nor end the reading.
  const auto path = folder_ / "bomb.jsonl.zst";
  {
    std::ofstream out(path, std::ios::binary);
    const std::string block = zstd(std::string(size_t{16} << 20, 'x'));
    out << zstd("{\"text\": \"");
    for (int i = 0; i < 64; ++i) out << block;
    out << zstd("\"}\n{\"text\": \"after\"}\n");
  }
  const auto got = read(source(path));
  ASSERT_EQ(got.malformed.size(), 1u);
  EXPECT_EQ(got.malformed[0], "bomb.jsonl.zst:1: row larger than 64 MiB");
  ASSERT_EQ(got.records.size(), 1u);
  EXPECT_EQ(got.records[0].text, "after");
}

TEST_F(SourceTest, Compressed) {
  const std::string one = "{\"text\": \"one\"}\n", two = "{\"text\": \"two\"}\n";
  const Texts both{"one", "two"};
  EXPECT_EQ(texts(source(write("a.jsonl.gz", gzip(one) + gzip(two)))), both);
  EXPECT_EQ(texts(source(write("pad.jsonl.gz", gzip(one) + gzip(two) + std::string(512, '\0')))), both);
  EXPECT_EQ(texts(source(write("gap.jsonl.gz", gzip(one) + std::string(3 << 20, '\0') + gzip(two)))), both);
  EXPECT_THAT(damage(write("tail.jsonl.gz", gzip(one) + std::string(9, '\0') + "more"), 1),
              testing::HasSubstr("tail.jsonl.gz:2: damaged gzip stream"));
  EXPECT_EQ(texts(source(write("a.jsonl.zst", zstd(one) + zstd("") + zstd(two)))), both);
  EXPECT_EQ(texts(source(write("t.txt.gz", gzip("doc")))), Texts{"doc"});
  const std::string large(3 << 20, 'y');
  EXPECT_EQ(texts(source(write("l.txt.gz", gzip(large)))), Texts{large});
  EXPECT_EQ(texts(source(write("l.txt.zst", zstd(large)))), Texts{large});
  for (const auto& [name, bytes] : {std::pair{"cut.jsonl.gz", gzip(one + two)}, {"cut.jsonl.zst", zstd(one + two)}}) {
    for (const size_t keep : {size_t{0}, size_t{5}, bytes.size() / 2, bytes.size() - 1}) {
      const auto file = write(name, bytes.substr(0, keep));
      // The frame's checksum is missing, the rows before it are not.
      const size_t before = keep + 1 == bytes.size() ? read(source(file)).records.size() : 0;
      EXPECT_THAT(damage(file, before), testing::HasSubstr("ends early")) << name << " " << keep;
    }
    std::string damaged = bytes;
    damaged[bytes.size() / 2] = static_cast<char>(damaged[bytes.size() / 2] ^ 0x55);
    const auto file = write(name, damaged);
    EXPECT_NE(error_of([&] { read(source(file), true); }), "no error") << name;
    EXPECT_GE(read(source(file)).malformed.size(), 1u) << name;
  }
  EXPECT_THAT(damage(write("no.jsonl.gz", "plain text")), testing::HasSubstr("no.jsonl.gz:1: damaged gzip"));
}

TEST_F(SourceTest, JsonArrayAndObjectKeyedById) {
  EXPECT_EQ(texts(source(write("a.json", " [ {\"text\": \"a, ]}\\\"\"} ,\n{\"text\": \"b\"} ] \n"))),
            (Texts{"a, ]}\"", "b"}));
  EXPECT_EQ(texts(source(write("e.json", "[]"))), Texts{});
  const auto keyed =
      read(source(write("k.json", "{\"k\\n1\": {\"text\": \"a\"}, \"2\": {\"text\": \"b\", \"id\": 7}}")));
  ASSERT_EQ(keyed.records.size(), 2u);
  EXPECT_EQ(keyed.records[0].fields["id"], "k\n1");
  EXPECT_EQ(keyed.records[1].fields["id"], 7);
  // One object that is a row, and JSON lines under the wrong name.
  EXPECT_EQ(texts(source(write("l.json", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n"))), (Texts{"a", "b"}));
  const auto mixed = read(source(write("m.json", "[{\"text\": \"a\"}, 5, {\"text\": \"b\", }, {\"text\": \"c\"}]")));
  EXPECT_EQ(mixed.records.size(), 2u);
  EXPECT_EQ(mixed.malformed.size(), 2u);
  for (const char* broken : {"[{\"text\": \"a\"}", "[{\"text\": \"a\"} {}]", "{\"a\": {\"text\": \"a\"}", "[1] x", "x",
                             "[{\"text\": \"a", "[,]", "{\"a\": {}} {\"b\": {}}"}) {
    const auto file = write("broken.json", broken);
    const auto got = read(source(file));
    EXPECT_GE(got.malformed.size(), 1u) << broken;
    EXPECT_THAT(got.malformed.back(), testing::HasSubstr("expected")) << broken;
    EXPECT_THAT(error_of([&] { read(source(file), true); }), testing::HasSubstr("broken.json:1")) << broken;
  }
}

TEST_F(SourceTest, CsvByRfc4180) {
  auto from = source(write("a.csv",
                           "\xEF\xBB\xBFquestion,answer\r\n"
                           "plain,x\r\n"
                           "\"with, comma\",\"a \"\"quote\"\"\"\r\n"
                           "\"two\nlines\",\"\"\r\n"
                           "\r\n"
                           "too,many,cells\r\n"
                           "\"after\"x,y\r\n"
                           "\xC3\x28,y\r\n"
                           "last,z"),
                     "prompt_completion");
  from.fields = {{"prompt", "question"}, {"completion", "answer"}};
  const auto got = read(from);
  ASSERT_EQ(got.records.size(), 4u);
  EXPECT_EQ(got.records[1].messages[0].content, "with, comma");
  EXPECT_EQ(got.records[1].messages[1].content, "a \"quote\"");
  EXPECT_EQ(got.records[2].messages[0].content, "two\nlines");
  EXPECT_EQ(got.records[3].messages[1].content, "z");
  ASSERT_EQ(got.malformed.size(), 3u);
  EXPECT_EQ(got.malformed[0], "a.csv:7: expected 2 columns, found 3");
  EXPECT_EQ(got.malformed[1], "a.csv:8: text after the closing quote of a cell");
  EXPECT_THAT(got.malformed[2],
              testing::StartsWith("a.csv:9: invalid UTF-8 in column \"question\"; hint: convert it from what it was "
                                  "written in: iconv -f CP949 -t UTF-8 (Korean)"));
  EXPECT_EQ(read(source(write("open.csv", "text\nfine\n\"never closed\n"))).malformed.size(), 1u);
  EXPECT_EQ(texts(source(write("t.tsv", "text\tlabel\na,b\t1\n"))), Texts{"a,b"});
  EXPECT_THAT(damage(write("e.csv", "")), testing::HasSubstr("header row"));
  EXPECT_THAT(damage(write("d.csv", "a,a\n1,2\n")), testing::HasSubstr("twice"));
}

TEST_F(SourceTest, ATableWithOtherSeparatorsIsNamed) {
  const auto said = [&](const char* name, const std::string& table) { return damage(write(name, table)); };
  const std::string found = ":1: expected columns separated by commas, found one column, with ";
  const std::string rest = " in the header row; hint: ";
  const std::string save = "save it with commas (.csv) or tabs (.tsv) between the columns";
  EXPECT_EQ(said("s.csv", "text;label\na, b;1\n"), "s.csv" + found + "semicolons" + rest + save);
  EXPECT_EQ(said("q.csv", "\"text\";\"label\"\r\n\"a\";1\r\n"), "q.csv" + found + "semicolons" + rest + save);
  EXPECT_EQ(said("b.csv", "id|my; text|label\n1|a|b\n"), "b.csv" + found + "vertical bars" + rest + save);
  EXPECT_EQ(said("t.csv", "text\tlabel\na\t1\n"), "t.csv" + found + "tabs" + rest + "name the file .tsv");
  EXPECT_THAT(said("c.tsv", "text,label\na,1\n"), testing::EndsWith("with commas" + rest + "name the file .csv"));
  auto odd = source(write("odd.csv", "what;ever\na;b\n"));
  odd.fields = {{"text", "what;ever"}};  // a name is a name
  EXPECT_EQ(texts(odd), Texts{"a;b"});
  EXPECT_EQ(texts(source(write("one.csv", "text\na;b\n"))), Texts{"a;b"});
}

TEST_F(SourceTest, Formats) {
  const auto one = [&](const std::string& format, const std::string& row,
                       std::map<std::string, std::string> fields = {}) {
    auto from = source(write("f.jsonl", row + "\n"), format);
    from.fields = std::move(fields);
    auto got = read(from);
    if (!got.malformed.empty()) return got.malformed[0];
    std::string out;
    for (const auto& m : got.records.at(0).messages) out += m.role + "(" + m.content + "|" + m.context + ") ";
    return out;
  };
  EXPECT_EQ(one("alpaca", R"({"instruction":"I","input":"X","output":"O"})"), "user(I|X) assistant(O|) ");
  EXPECT_EQ(one("alpaca", R"({"instruction":"I","input":null,"output":4})"), "user(I|) assistant(4|) ");
  EXPECT_EQ(one("dolly", R"({"instruction":"I","context":"C","response":"R","category":"q"})"),
            "user(I|C) assistant(R|) ");
  EXPECT_EQ(
      one("messages",
          R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":[{"type":"text","text":"U"}]},{"role":"assistant","content":"A"}]})"),
      "system(S|) user(U|) assistant(A|) ");
  EXPECT_EQ(one("prompt_completion", R"({"prompt":"P","completion":"C"})"), "user(P|) assistant(C|) ");
  EXPECT_EQ(one("prompt_completion",
                R"({"prompt":[{"role":"user","content":"P"}],"completion":[{"role":"assistant","content":"C"}]})"),
            "user(P|) assistant(C|) ");
  EXPECT_EQ(one("alpaca", R"({"QUESTION":"Q","CONTEXTS":["a","b"],"meta":{"final":"yes"}})",
                {{"instruction", "QUESTION"}, {"input", "CONTEXTS"}, {"output", "meta.final"}}),
            "user(Q|a\nb) assistant(yes|) ");
  EXPECT_THAT(one("messages", R"({"messages":[{"role":"tool","content":"S"}]})"), testing::HasSubstr("found \"tool\""));
  EXPECT_THAT(one("messages", R"({"messages":[]})"), testing::HasSubstr("empty list"));
  EXPECT_THAT(one("messages", R"({"messages":"x"})"), testing::HasSubstr("expected a list"));
  EXPECT_THAT(one("dolly", R"({"instruction":"I"})"), testing::HasSubstr("expected a field \"response\""));
}

TEST_F(SourceTest, FoldersAndGlobsAreSorted) {
  write("d/b.txt", "b"), write("d/a.txt", "a"), write("d/sub/c.txt", "c");
  write("d/.hidden.txt", "no"), write("d/.git/x.txt", "no"), write("d/readme.rst", "no");
  EXPECT_EQ(texts(source(folder_ / "d")), (Texts{"a", "b", "c"}));
  EXPECT_EQ(texts(source(folder_ / "d/*.txt")), (Texts{"a", "b"}));
  EXPECT_EQ(texts(source(folder_ / "d/**/*.txt")), (Texts{"a", "b", "c"}));
  EXPECT_EQ(texts(source(folder_ / "d/[a]*")), Texts{"a"});
  write("k/가.txt", "ga"), write("k/하.txt", "ha"), write("k/가나.txt", "gana"), write("k/\xFF.txt", "byte");
  EXPECT_EQ(texts(source(folder_ / "k/?.txt")), (Texts{"ga", "ha", "byte"}));
  EXPECT_EQ(texts(source(folder_ / "k/[가나].txt")), Texts{"ga"});
  EXPECT_EQ(texts(source(folder_ / "k/??.txt")), Texts{"gana"});
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "d/*.csv")); }), testing::HasSubstr("no readable file"));
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "none")); }), testing::HasSubstr("no such file"));
  const auto hint = [&](const std::string& file) { return error_of([&] { texts(source(write(file, "x"))); }); };
  EXPECT_THAT(hint("o/x.docx"), testing::HasSubstr("found \".docx\"\n      hint: convert it to text first"));
  EXPECT_THAT(hint("x.pdf.gz"), testing::HasSubstr("decompress it first"));
  EXPECT_THAT(hint("x.log"), testing::HasSubstr("if it is text, rename it by what it holds"));
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "o")); }),
              testing::AllOf(testing::HasSubstr("found no readable file (1 of another kind, such as \"x.docx\")"),
                             testing::HasSubstr(".pdf; convert it to text first")));
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "d/readme.rst")); }), testing::HasSubstr("found \".rst\""));
  std::vector<std::filesystem::path> passed_over;
  EXPECT_EQ(source_files(source(folder_ / "d"), &passed_over).size(), 3u);
  ASSERT_EQ(passed_over.size(), 1u);
  EXPECT_EQ(passed_over[0].filename(), "readme.rst");
  namespace fs = std::filesystem;
  fs::create_directory_symlink(folder_ / "d", folder_ / "d/sub/circle");
  fs::create_symlink(folder_ / "nothing.txt", folder_ / "d/gone.txt");
  fs::create_symlink(folder_ / "d/a.txt", folder_ / "d/z.txt");
  passed_over.clear();
  EXPECT_EQ(source_files(source(folder_ / "d"), &passed_over).size(), 4u);
  EXPECT_THAT(passed_over, testing::UnorderedElementsAre(folder_ / "d/readme.rst", folder_ / "d/sub/circle",
                                                         folder_ / "d/gone.txt"));
  fs::create_directory(folder_ / "links");
  fs::create_directory_symlink(folder_ / "d", folder_ / "links/d");
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "links")); }), testing::HasSubstr("\"d\" (link to a folder)"));
  EXPECT_EQ(texts(source(folder_ / "links/d")).size(), 4u);  // named itself it is followed
  EXPECT_THAT(error_of([&] { texts(source(write("upper.TXT", "x"), "alpaca")); }), testing::HasSubstr("one document"));
}

TEST_F(SourceTest, OneDamagedFileDoesNotEndAFolder) {
  write("f/a.jsonl", "{\"text\": \"a\"}\n");
  write("f/b.jsonl.gz", gzip("{\"text\": \"b\"}\n").substr(0, 20));
  write("f/c.json", "[{\"text\": \"c\"}, {\"text\": ");
  write("f/d.txt", "d");
  const auto got = read(source(folder_ / "f"));
  ASSERT_EQ(got.records.size(), 3u);
  EXPECT_EQ(got.records[1].text, "c");
  EXPECT_EQ(got.records[1].file, 2u);
  EXPECT_EQ(got.records[2].text, "d");
  ASSERT_EQ(got.malformed.size(), 2u);
  EXPECT_THAT(got.malformed[0], testing::StartsWith("f/b.jsonl.gz:1: gzip stream ends early"));
  EXPECT_THAT(got.malformed[1], testing::StartsWith("f/c.json:1: expected"));
  EXPECT_THAT(error_of([&] { read(source(folder_ / "f"), true); }), testing::HasSubstr("b.jsonl.gz:1"));
  std::filesystem::permissions(folder_ / "f/d.txt", std::filesystem::perms::none);
  EXPECT_EQ(read(source(folder_ / "f")).malformed.size(), ::geteuid() == 0 ? 2u : 3u);  // root reads everything
}

TEST_F(SourceTest, RowsHaveTheirOwnIdsAndPlaces) {
  auto from =
      source(write("i.jsonl", "{\"id\": 7, \"text\": \"a\"}\n\n{\"text\": \"b\"}\n{\"id\": {}, \"text\": \"c\"}\n"));
  auto got = read(from);
  ASSERT_EQ(got.records.size(), 3u);
  EXPECT_EQ(got.records[0].key, "7");
  EXPECT_EQ(got.records[1].key, "");
  EXPECT_EQ(got.records[1].line, 3);
  EXPECT_EQ(got.records[1].offset, 24u);
  EXPECT_EQ(got.records[2].key, "");
  from = source(write("j.jsonl", "{\"doc\": \"x/1\", \"body\": \"a\"}\n{\"body\": \"b\"}\n{\"doc\": \"x/2\"}\n"));
  from.fields = {{"text", "body"}, {"id", "doc"}};
  got = read(from);
  ASSERT_EQ(got.records.size(), 1u);
  EXPECT_EQ(got.records[0].key, "x/1");
  ASSERT_EQ(got.malformed.size(), 2u);
  EXPECT_THAT(got.malformed[0], testing::HasSubstr("expected a field \"doc\""));
  EXPECT_EQ(got.malformed[1], "j.jsonl:3: expected a field \"body\", found only: doc");
}

// What is said of a row never holds what stands in it, wherever it breaks.
TEST_F(SourceTest, ReasonsHoldNoValues) {
  const std::string mail = "kim.minsu@example.org";
  const std::pair<std::string, std::string> rows[] = {
      {"{\"text\": \"" + mail, "not JSON: parse error at line 1, column 32: syntax error while parsing value"},
      {"{\"text\": \"a\", \"" + mail + "\" 5}", "not JSON: parse error"},
      {"{\"text\": \"" + mail + "\\q\"}", "not JSON: parse error at line 1, column 33"},
      {"{\"text\": \"" + mail + "\xC3\x28\"}", "ill-formed UTF-8 byte; hint: convert it from what it was"},
      {"{\"text\": 9001011234567e999}", "not JSON: a number out of range"},
      {"{\"" + mail + "\": \"a\", \"9001011234567\": 1, \"body\": 2}",
       "expected a field \"text\", found only: body and 2 others"},
      {"{\"id\": \"" + mail + "\", \"text\": {}}", "field \"text\": expected a text, found object"},
      {"{\"id\": {\"" + mail + "\": 1}, \"other\": 1}", "found only: id, other"}};
  for (const auto& [row, reason] : rows) {
    const auto file = write("row.jsonl", row + "\n");
    const auto got = read(source(file));
    ASSERT_EQ(got.malformed.size(), 1u) << row;
    EXPECT_THAT(got.malformed[0], testing::HasSubstr(reason));
    for (const auto& said : {got.malformed[0], error_of([&] { read(source(file), true); })}) {
      EXPECT_THAT(said, testing::Not(testing::HasSubstr("kim"))) << row;
      EXPECT_THAT(said, testing::Not(testing::HasSubstr("900101"))) << row;
    }
  }
  const auto role = write("role.jsonl", "{\"messages\": [{\"role\": \"" + mail + "\", \"content\": \"a\"}]}\n");
  EXPECT_THAT(read(source(role, "messages")).malformed.at(0), testing::EndsWith("found another"));
  const auto list = write("list.jsonl", "{\"messages\": \"[" + mail + "\"}\n");
  EXPECT_THAT(read(source(list, "messages")).malformed.at(0), testing::Not(testing::HasSubstr("kim")));
  // A table without a header row: its first row is what stands where the names are.
  for (const auto& table : {mail + ",a\nb,c\n", mail + "," + mail + "\nb,c\n", mail + ",a\n\xC3\x28,c\n"}) {
    const auto got = read(source(write("table.csv", table)));
    ASSERT_EQ(got.malformed.size(), 1u) << table;
    EXPECT_THAT(got.malformed[0], testing::Not(testing::HasSubstr("kim"))) << table;
  }
}

TEST_F(SourceTest, EveryCutOfAFileReadsEveryRowOnce) {
  std::string content = "\xEF\xBB\xBF";
  for (int i = 0; i < 60; ++i) {
    content += "{\"text\": \"" + std::string(static_cast<size_t>(i * 7 % 23), 'x') + std::to_string(i) + "\"}\n";
    if (i % 9 == 0) content += "\n";
    if (i % 13 == 0) content += "broken\r\n";
  }
  for (const bool end_of_line : {true, false}) {
    const auto from = source(write("cut.jsonl", end_of_line ? content : content.substr(0, content.size() - 1)));
    const auto whole = read(from);
    ASSERT_EQ(whole.records.size(), 60u);
    const auto file = source_files(from).at(0);
    for (const uint64_t size : {1ull, 7ull, 64ull, 100ull, 1000ull, 1000000ull}) {
      const auto scan = scan_file(file, size);
      EXPECT_EQ(scan.sha256, scan_file(file, 0).sha256);
      for (size_t i = 0; i + 1 < scan.ranges.size(); ++i) {  // a row more than asked for, at most
        EXPECT_LT(scan.ranges[i].end / size * size, scan.ranges[i + 1].end) << size;
        EXPECT_LE(scan.ranges[i].end - scan.ranges[i].begin, size + 64) << size;
      }
      EXPECT_EQ(scan.ranges.size() == 1, size >= content.size()) << size;
      Read parts;
      for (const auto& range : scan.ranges) {
        Visit visit;
        visit.take = [&](Record&& record) { return parts.records.push_back(std::move(record)), true; };
        visit.on_malformed = [&](const Malformed& found) {
          EXPECT_TRUE(found.row);
          EXPECT_EQ(content.compare(found.offset, 6, "broken"), 0) << found.offset;
          parts.malformed.push_back(found.where.substr(folder_.string().size() + 1) + ": " + found.reason);
        };
        EXPECT_TRUE(visit_file(from, file, 0, range, visit));
      }
      ASSERT_EQ(parts.records.size(), 60u) << size;
      EXPECT_EQ(parts.malformed, whole.malformed) << size;
      for (size_t i = 0; i < 60; ++i) {
        EXPECT_EQ(parts.records[i].text, whole.records[i].text) << size;
        EXPECT_EQ(parts.records[i].where, whole.records[i].where) << size;
        EXPECT_EQ(parts.records[i].offset, whole.records[i].offset) << size;
      }
    }
  }
  // Cuts anywhere, also within a row.
  const auto from = source(write("cut.jsonl", content));
  const auto file = source_files(from).at(0);
  for (uint64_t at = 0; at <= content.size(); ++at) {
    size_t rows = 0;
    Visit visit;
    visit.take = [&](Record&&) { return ++rows, true; };
    visit_file(from, file, 0, {0, at, 1}, visit);
    visit_file(from, file, 0, {at, content.size(), 1}, visit);
    ASSERT_EQ(rows, 60u) << at;
  }
  const auto packed = source_files(source(write("p.jsonl.gz", gzip(content)))).at(0);
  EXPECT_EQ(scan_file(packed, 10).ranges.size(), 1u);
}

TEST_F(SourceTest, MaxDocumentsAndIds) {
  auto from = source(write("m.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n{\"text\":\"a\"}\n"));
  const auto all = read(from);
  EXPECT_EQ(all.records[0].id, all.records[2].id);
  EXPECT_NE(all.records[0].id, all.records[1].id);
  from.max_documents = 2;
  EXPECT_EQ(read(from).records.size(), 2u);
  from.name = "other";
  EXPECT_NE(read(from).records[0].id, all.records[0].id);
}

}  // namespace
}  // namespace plumb::data
