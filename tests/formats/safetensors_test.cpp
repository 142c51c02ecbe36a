#include "trainer/formats/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "core/error.h"
#include "core/hash.h"

namespace plumb::formats {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class SafetensorsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("plumb_safetensors_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path put(const std::string& bytes) {
    const fs::path file = folder_ / "x.safetensors";
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
  static std::string with_length(uint64_t length, const std::string& rest) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &length, 8);
    return bytes + rest;
  }
  static std::string with_header(const std::string& header, size_t data_bytes) {
    return with_length(header.size(), header + std::string(data_bytes, '\1'));
  }
  // The message when opening `bytes` as a file; empty when it opens.
  std::string refusal(const std::string& bytes) {
    const fs::path file = put(bytes);
    try {
      SafetensorsFile opened(file);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::bad_input);
      EXPECT_THAT(error.where(), HasSubstr("x.safetensors"));
      return error.what();
    }
  }
  std::string header_refusal(const std::string& header, size_t data_bytes = 8) {
    return refusal(with_header(header, data_bytes));
  }
  fs::path folder_;
};

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}
std::string slurp(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
template <class T>
std::span<const std::byte> raw(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

// One tensor `a`, F32 [2] = 1, 2: what the safetensors library 0.8.0 writes for it.
constexpr const char* kGolden =
    "38000000000000007b2261223a7b226474797065223a22463332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b30"
    "2c385d7d7d20200000803f00000040";

TEST_F(SafetensorsTest, WritesTheGoldenVector) {
  const fs::path file = folder_ / "golden.safetensors";
  SafetensorsWriter writer(file, {{"a", Dtype::f32, {2}}}, {});
  writer.write(raw(std::vector<float>{1, 2}));
  EXPECT_EQ(writer.finish(), "dfd92c4ba718bb628e136b1bd5ee54816041331903a0071b0155fa119061ccec");
  EXPECT_EQ(slurp(file), from_hex(kGolden));
  const SafetensorsFile read(file);
  ASSERT_EQ(read.entries().size(), 1u);
  std::vector<float> values(2);
  read.read(read.entries()[0], 0, values);
  EXPECT_EQ(values, (std::vector<float>{1, 2}));
}

// The digest is that of safetensors.torch.save (0.8.0) for the same tensors and {"format": "pt"}.
TEST_F(SafetensorsTest, WritesTheBytesOfTheReferenceLibrary) {
  std::map<std::string, std::vector<std::byte>> values;
  const auto set = [&](const std::string& name, auto list) {
    const auto bytes = raw(list);
    values[name].assign(bytes.begin(), bytes.end());
  };
  set("b.two", std::vector<float>{0, 1, 2, 3, 4, 5});
  set("a.half", std::vector<uint16_t>{0x3800, 0x3E00, 0xC000});
  set("\xC3\xA9\"quoted\\", std::vector<uint16_t>{0x3FA0});
  set("long", std::vector<int64_t>{1, -2});
  set("dbl", std::vector<double>{3.5, 4.5});
  set("scalar", std::vector<float>{7});
  set("empty", std::vector<float>{});
  set("flag", std::vector<uint8_t>{1, 0, 1});
  set("b", std::vector<uint8_t>{1, 2});
  set("i32", std::vector<int32_t>{5});
  const fs::path file = folder_ / "reference.safetensors";
  SafetensorsWriter writer(file, {{"b.two", Dtype::f32, {2, 3}},
                                  {"a.half", Dtype::f16, {3}},
                                  {"\xC3\xA9\"quoted\\", Dtype::bf16, {1}},
                                  {"long", Dtype::i64, {2, 1}},
                                  {"dbl", Dtype::f64, {2}},
                                  {"scalar", Dtype::f32, {}},
                                  {"empty", Dtype::f32, {0, 4}},
                                  {"flag", Dtype::boolean, {3}},
                                  {"b", Dtype::u8, {2}},
                                  {"i32", Dtype::i32, {1}}});
  for (const auto& tensor : writer.order()) {
    const std::span<const std::byte> bytes = values.at(tensor.name);
    writer.write(bytes.first(bytes.size() / 2));  // in pieces
    writer.write(bytes.subspan(bytes.size() / 2));
  }
  const std::string digest = writer.finish();
  EXPECT_EQ(digest, "8fe649b5fcbb0ddf4e295caee75fb328be010f6225f0100f9511e684f1ed14b4");
  EXPECT_EQ(core::sha256_file(file), digest);

  const SafetensorsFile read(file);
  EXPECT_EQ(read.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  EXPECT_EQ(read.entries().size(), 10u);
  for (const auto& [name, bytes] : values) {
    ASSERT_NE(read.find(name), nullptr) << name;
    const auto stored = read.bytes(*read.find(name));
    EXPECT_TRUE(std::equal(stored.begin(), stored.end(), bytes.begin(), bytes.end())) << name;
  }
  std::vector<float> middle(2);
  read.read(*read.find("a.half"), 1, middle);
  EXPECT_EQ(middle, (std::vector<float>{1.5, -2}));
  read.read(*read.find("dbl"), 0, middle);
  EXPECT_EQ(middle, (std::vector<float>{3.5, 4.5}));
  EXPECT_THROW(read.read(*read.find("dbl"), 1, middle), Error);
  EXPECT_THROW(read.read(*read.find("dbl"), -1, middle), Error);
  EXPECT_THROW(read.read(*read.find("long"), 0, middle), Error);
  EXPECT_EQ(read.find("nowhere"), nullptr);
}

TEST_F(SafetensorsTest, AnUnfinishedFileLeavesNothing) {
  const fs::path file = folder_ / "half.safetensors";
  {
    SafetensorsWriter writer(file, {{"a", Dtype::f32, {2}}});
    writer.write(raw(std::vector<float>{1}));
    EXPECT_THROW(writer.finish(), Error);
    EXPECT_THROW(writer.write(raw(std::vector<float>{1, 2})), Error);
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(SafetensorsTest, RefusesToDeclareNonsense) {
  const fs::path file = folder_ / "x.safetensors";
  EXPECT_THROW(SafetensorsWriter(file, {{"a", Dtype::f32, {2}}, {"a", Dtype::bf16, {2}}}), Error);
  EXPECT_THROW(SafetensorsWriter(file, {{"a", Dtype::f32, {int64_t{1} << 62, 8}}}), Error);
  EXPECT_THROW(SafetensorsWriter(file, {{"a", Dtype::f32, {-1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(file, {{"__metadata__", Dtype::f32, {1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(file, {{"\xFF", Dtype::f32, {1}}}), Error);
}

const char* const kA = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";

TEST_F(SafetensorsTest, AcceptsWhatIsLegal) {
  EXPECT_EQ(header_refusal(std::string("{") + kA + "}"), "");
  EXPECT_EQ(header_refusal(std::string("{") + kA + "}   "), "");
  EXPECT_EQ(header_refusal("{}", 0), "");
  EXPECT_EQ(header_refusal(R"({"a":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}})", 4), "");
  EXPECT_EQ(header_refusal(R"({"a":{"dtype":"F32","shape":[7,0],"data_offsets":[0,0]}})", 0), "");
  // Names are never paths, so these are only names.
  EXPECT_EQ(header_refusal(R"({"../../etc/passwd":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})"), "");
}

TEST_F(SafetensorsTest, RefusesBadLengths) {
  EXPECT_THAT(refusal(""), HasSubstr("expected at least 8 bytes, found 0"));
  EXPECT_THAT(refusal("1234567"), HasSubstr("expected at least 8 bytes, found 7"));
  EXPECT_THAT(refusal(with_length(3, "{}")), HasSubstr("does not fit"));
  EXPECT_THAT(refusal(with_length(0, "{}")), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(refusal(with_length(100'000'001, "{}")), HasSubstr("at most 100000000"));
  EXPECT_THAT(refusal(with_length(std::numeric_limits<uint64_t>::max(), "{}")), HasSubstr("at most 100000000"));
}

TEST_F(SafetensorsTest, RefusesBadJson) {
  EXPECT_THAT(header_refusal(" {}"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(header_refusal("\xEF\xBB\xBF{}"), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(header_refusal("{nonsense}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(header_refusal("{\"\xFF\xFE\":{}}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(header_refusal(R"({"\ud800":{}})"), HasSubstr("not valid JSON"));
  EXPECT_THAT(header_refusal("{}\n"), HasSubstr("does not end with"));
  EXPECT_THAT(header_refusal(std::string("{}\0", 3)), HasSubstr("does not end with"));
  EXPECT_THAT(header_refusal(std::string("{") + kA + "}{}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(header_refusal(std::string("{") + kA), HasSubstr("not valid JSON"));
  EXPECT_THAT(header_refusal(std::string("{/*x*/") + kA + "}"), HasSubstr("not valid JSON"));
}

TEST_F(SafetensorsTest, RefusesDeepNesting) {
  std::string deep;
  for (int i = 0; i < 1'000'000; ++i) deep += "{\"a\":";
  EXPECT_THAT(header_refusal(deep + "1" + std::string(1'000'000, '}')),
              HasSubstr("expected dtype, shape and data_offsets, found \"a\""));
  EXPECT_THAT(header_refusal("{\"a\":" + std::string(1'000'000, '[') + "}"), HasSubstr("found an array"));
}

TEST_F(SafetensorsTest, RefusesDuplicates) {
  EXPECT_THAT(header_refusal(std::string("{") + kA + "," + kA + "}"), HasSubstr("the name stands twice"));
  EXPECT_THAT(header_refusal(R"({"__metadata__":{"x":"1","x":"2"}})", 0), HasSubstr("metadata key \"x\" stands twice"));
  EXPECT_THAT(header_refusal(R"({"__metadata__":{},"__metadata__":{}})", 0), HasSubstr("__metadata__ stands twice"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,8]}})"),
              HasSubstr("the key dtype stands twice"));
}

TEST_F(SafetensorsTest, RefusesWrongTypes) {
  EXPECT_THAT(header_refusal(R"({"__metadata__":{"x":1}})", 0), HasSubstr("expected a text in __metadata__"));
  EXPECT_THAT(header_refusal(R"({"__metadata__":{"x":{}}})", 0), HasSubstr("expected a text in __metadata__"));
  EXPECT_THAT(header_refusal(R"({"__metadata__":[]})", 0), HasSubstr("expected an object of texts"));
  EXPECT_THAT(header_refusal(R"({"a":7})"), HasSubstr("expected an object with dtype"));
  EXPECT_THAT(header_refusal(R"({"a":null})"), HasSubstr("found null"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":1,"shape":[2],"data_offsets":[0,8]}})"),
              HasSubstr("expected a text as dtype"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}})"),
              HasSubstr("\"F4\" is not supported"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})"),
              HasSubstr("expected an array as shape"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})"),
              HasSubstr("found the number \"2.0\""));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})"),
              HasSubstr("negative number -2"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})"), HasSubstr("found a text"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})"),
              HasSubstr("is too large"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}})"),
              HasSubstr("found the number"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})"), HasSubstr("found more"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})"), HasSubstr("found 1"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[2]}})"), HasSubstr("found no data_offsets"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"extra":1}})"),
              HasSubstr("found \"extra\""));
  EXPECT_THAT(header_refusal("{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"),
              HasSubstr("control character"));
  std::string many = R"({"a":{"dtype":"F32","shape":[1)";
  for (int i = 0; i < 100; ++i) many += ",1";
  EXPECT_THAT(header_refusal(many + R"(],"data_offsets":[0,4]}})", 4), HasSubstr("more than 64 dimensions"));
}

std::string two(const std::string& a, const std::string& b) {
  return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a +
         R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}";
}

TEST_F(SafetensorsTest, RefusesBadLayouts) {
  EXPECT_EQ(header_refusal(two("[8,16]", "[0,8]"), 16), "");
  EXPECT_THAT(header_refusal(two("[0,8]", "[4,12]"), 16), HasSubstr("expected to begin at byte 8"));   // overlap
  EXPECT_THAT(header_refusal(two("[0,8]", "[12,20]"), 20), HasSubstr("expected to begin at byte 8"));  // hole
  EXPECT_THAT(header_refusal(two("[8,16]", "[16,24]"), 24), HasSubstr("expected to begin at byte 0"));
  EXPECT_THAT(header_refusal(two("[0,8]", "[0,8]"), 8), HasSubstr("expected to begin at byte 8"));  // aliases
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})"), HasSubstr("ends before"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})"),
              HasSubstr("expected 12 bytes"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0),
              HasSubstr("more elements than can be counted"));
  EXPECT_THAT(header_refusal(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4,0],"data_offsets":[0,0]}})", 0),
              HasSubstr("more elements than can be counted"));
  EXPECT_THAT(header_refusal(std::string("{") + kA + "}", 7),
              HasSubstr("expected 8 bytes of tensors after the header, found 7"));
  EXPECT_THAT(header_refusal(std::string("{") + kA + "}", 9), HasSubstr("appended"));
}

TEST_F(SafetensorsTest, ManyTinyTensorsInALargeHeaderOpen) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) {
    if (i) header += ',';
    header += "\"t" + std::to_string(i) + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" + std::to_string(i) + "," +
              std::to_string(i + 1) + "]}";
  }
  const fs::path file = put(with_header(header + "}", 100'000));
  EXPECT_EQ(SafetensorsFile(file).entries().size(), 100'000u);
}

TEST_F(SafetensorsTest, ShrinkingFileIsAnErrorNotASignal) {
  const fs::path file = put(with_header(std::string("{") + kA + "}", 8));
  const SafetensorsFile read(file);
  fs::resize_file(file, 20);
  std::vector<float> values(2);
  EXPECT_THROW(read.read(*read.find("a"), 0, values), Error);
}

TEST_F(SafetensorsTest, ThingsThatAreNotFiles) {
  EXPECT_THROW(SafetensorsFile(folder_ / "missing"), Error);
  EXPECT_THROW(SafetensorsFile{folder_}, Error);
  EXPECT_THROW(SafetensorsFile{"/dev/zero"}, Error);
}

// Every single-byte change and every cut of a valid file either opens with a consistent layout or is an Error.
TEST_F(SafetensorsTest, DamageNeverCrashes) {
  const std::string good =
      with_header(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}})", 8);
  const auto probe = [&](const std::string& bytes) {
    const fs::path file = put(bytes);
    try {
      const SafetensorsFile read(file);
      for (const auto& entry : read.entries()) EXPECT_LE(read.bytes(entry).size(), bytes.size());
    } catch (const Error&) {
    }
  };
  for (size_t i = 0; i < good.size(); ++i) {
    probe(good.substr(0, i));
    for (const char c : {'\0', '\xFF', '"', '{', '}', '9', ' '}) {
      std::string bad = good;
      bad[i] = c;
      probe(bad);
    }
  }
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bad = good;
    for (int k = 0; k < 4; ++k) bad[random() % bad.size()] = static_cast<char>(random());
    probe(bad);
  }
}

}  // namespace
}  // namespace plumb::formats
