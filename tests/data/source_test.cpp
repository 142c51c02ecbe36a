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
  EXPECT_EQ(texts(source(write("short.txt", "\xEF\xBB"))), Texts{"\xEF\xBB"});
  EXPECT_EQ(texts(source(write("empty.txt", ""))), Texts{""});
  EXPECT_EQ(texts(source(write("nul.txt", std::string_view("a\0b", 3)))), Texts{std::string("a\0b", 3)});
  EXPECT_THAT(error_of([&] { texts(source(write("utf16.txt", "\xFF\xFEh\0i"))); }), testing::HasSubstr("UTF-16"));
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "a.txt", "alpaca")); }), testing::HasSubstr("needs rows"));
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
                          "{\"text\": \"last\"}");
  const auto got = read(source(file));
  ASSERT_EQ(got.records.size(), 4u);
  EXPECT_EQ(got.records[1].text, std::string("t\xC3\xBC\0", 4));
  EXPECT_EQ(got.records[2].text, "a\nb");
  EXPECT_EQ(got.records[3].text, "last");
  EXPECT_EQ(got.records[3].where, file + ":11");
  ASSERT_EQ(got.malformed.size(), 6u);
  EXPECT_THAT(got.malformed[0], testing::StartsWith("a.jsonl:4: not JSON"));
  EXPECT_THAT(got.malformed[1], testing::StartsWith("a.jsonl:5: not JSON"));
  EXPECT_EQ(got.malformed[2], "a.jsonl:6: expected a field \"text\", found only: other");
  EXPECT_EQ(got.malformed[3], "a.jsonl:7: expected an object as row, found array");
  EXPECT_THAT(got.malformed[4], testing::StartsWith("a.jsonl:8: not JSON"));
  EXPECT_EQ(got.malformed[5], "a.jsonl:9: field \"text\": expected a text, found null");
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
  EXPECT_EQ(texts(source(write("a.jsonl.zst", zstd(one) + zstd("") + zstd(two)))), both);
  EXPECT_EQ(texts(source(write("t.txt.gz", gzip("doc")))), Texts{"doc"});
  const std::string large(3 << 20, 'y');
  EXPECT_EQ(texts(source(write("l.txt.gz", gzip(large)))), Texts{large});
  EXPECT_EQ(texts(source(write("l.txt.zst", zstd(large)))), Texts{large});
  for (const auto& [name, bytes] : {std::pair{"cut.jsonl.gz", gzip(one + two)}, {"cut.jsonl.zst", zstd(one + two)}}) {
    for (const size_t keep : {size_t{0}, size_t{5}, bytes.size() / 2, bytes.size() - 1}) {
      const auto file = write(name, bytes.substr(0, keep));
      EXPECT_THAT(error_of([&] { texts(source(file)); }), testing::HasSubstr("ends early")) << name << " " << keep;
    }
    std::string damaged = bytes;
    damaged[bytes.size() / 2] = static_cast<char>(damaged[bytes.size() / 2] ^ 0x55);
    const auto file = write(name, damaged);
    EXPECT_NE(error_of([&] { texts(source(file)); }), "no error") << name;
  }
  EXPECT_THAT(error_of([&] { texts(source(write("no.jsonl.gz", "plain text"))); }), testing::HasSubstr("damaged gzip"));
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
    EXPECT_THAT(error_of([&] { texts(source(file)); }), testing::HasSubstr("expected")) << broken;
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
  EXPECT_EQ(got.malformed[2], "a.csv:9: invalid UTF-8 in column \"question\"");
  EXPECT_EQ(read(source(write("open.csv", "text\nfine\n\"never closed\n"))).malformed.size(), 1u);
  EXPECT_EQ(texts(source(write("t.tsv", "text\tlabel\na,b\t1\n"))), Texts{"a,b"});
  EXPECT_THAT(error_of([&] { read(source(write("e.csv", ""))); }), testing::HasSubstr("header row"));
  EXPECT_THAT(error_of([&] { read(source(write("d.csv", "a,a\n1,2\n"))); }), testing::HasSubstr("twice"));
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
  write("d/.hidden.txt", "no"), write("d/.git/x.txt", "no"), write("d/readme.md", "no");
  EXPECT_EQ(texts(source(folder_ / "d")), (Texts{"a", "b", "c"}));
  EXPECT_EQ(texts(source(folder_ / "d/*.txt")), (Texts{"a", "b"}));
  EXPECT_EQ(texts(source(folder_ / "d/**/*.txt")), (Texts{"a", "b", "c"}));
  EXPECT_EQ(texts(source(folder_ / "d/[a]*")), Texts{"a"});
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "d/*.csv")); }), testing::HasSubstr("no readable file"));
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "none")); }), testing::HasSubstr("no such file"));
  EXPECT_THAT(error_of([&] { texts(source(folder_ / "d/readme.md")); }), testing::HasSubstr("found \".md\""));
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
