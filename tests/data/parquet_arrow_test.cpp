// Rows of Parquet files: every type that can be a row's value, only the columns used, damage and wrong claims. Built
// without the rest of the room (see data/arrow/module.h); the way through sources is tested from outside (tests/e2e).
#include <arrow/api.h>
#include <arrow/io/file.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <parquet/arrow/writer.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/error.h"
#include "data/arrow/module.h"
#include "data/source/rows.h"

namespace plumb::data {
namespace {

using arrow::field;

class ParquetTest : public ::testing::Test {
 protected:
  ParquetTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("plumb-parquet-" + std::to_string(::getpid()) + "-" + std::to_string(std::random_device()()));
    std::filesystem::create_directories(folder_);
  }
  ~ParquetTest() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return (folder_ / name).string();
  }
  std::string write_table(
      const std::string& name, const std::shared_ptr<arrow::Table>& table, int64_t rows_per_group = 1000,
      std::shared_ptr<parquet::WriterProperties> properties = parquet::default_writer_properties()) {
    const auto path = (folder_ / name).string();
    auto out = arrow::io::FileOutputStream::Open(path).ValueOrDie();
    const auto keep = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    EXPECT_TRUE(
        parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, rows_per_group, properties, keep).ok());
    EXPECT_TRUE(out->Close().ok());
    return path;
  }
  static std::vector<Row> rows(const std::string& file, const std::vector<std::string>& columns = {}) {
    std::vector<Row> out;
    visit(file, columns, [&](const Row& row) { out.push_back(row); });
    return out;
  }
  template <class Use>
  static void visit(const std::string& file, const std::vector<std::string>& columns, const Use& use) {
    std::vector<const char*> names;
    for (const auto& name : columns) names.push_back(name.c_str());
    const std::unique_ptr<RowReader> reader(plumb_arrow_read_parquet(file.c_str(), names.data(), names.size()));
    for (Row row; reader->next(row);) use(row);
  }

  std::filesystem::path folder_;
};

std::shared_ptr<arrow::Array> strings(const std::vector<std::string>& values) {
  arrow::StringBuilder builder;
  EXPECT_TRUE(builder.AppendValues(values).ok());
  return builder.Finish().ValueOrDie();
}

template <class Builder, class T>
std::shared_ptr<arrow::Array> numbers(const std::vector<T>& values) {
  Builder builder;
  for (const T value : values) EXPECT_TRUE(builder.Append(value).ok());
  return builder.Finish().ValueOrDie();
}

std::shared_ptr<arrow::Table> table(const std::vector<std::pair<std::string, std::shared_ptr<arrow::Array>>>& columns) {
  arrow::FieldVector fields;
  arrow::ArrayVector arrays;
  for (const auto& [name, array] : columns) fields.push_back(field(name, array->type())), arrays.push_back(array);
  return arrow::Table::Make(arrow::schema(fields), arrays);
}

TEST_F(ParquetTest, RowsInOrderWithTheColumnsWanted) {
  std::vector<std::string> texts, ids;
  for (int i = 0; i < 2500; ++i) texts.push_back("text " + std::to_string(i)), ids.push_back("id-" + std::to_string(i));
  const auto pair =
      arrow::StructArray::Make({strings(texts), strings(ids)}, std::vector<std::string>{"a", "b"}).ValueOrDie();
  const auto file = write_table(
      "a.parquet", table({{"id", strings(ids)}, {"unused", strings(texts)}, {"text", strings(texts)}, {"meta", pair}}),
      700);
  int n = 0;
  visit(file, {"id", "text", "meta.b", "absent"}, [&](const Row& row) {
    EXPECT_EQ(row.value["text"], "text " + std::to_string(n));
    EXPECT_EQ(row.value["id"], "id-" + std::to_string(n));
    EXPECT_EQ(row.value["meta"]["b"], "id-" + std::to_string(n));
    EXPECT_FALSE(row.value.contains("unused"));
    EXPECT_EQ(row.line, ++n);
  });
  EXPECT_EQ(n, 2500);
  EXPECT_TRUE(rows(file).at(7).value.contains("unused"));
  EXPECT_EQ(rows(file, {"absent"}).size(), 2500u);
}

TEST_F(ParquetTest, EveryType) {
  arrow::ListBuilder tags(arrow::default_memory_pool(), std::make_shared<arrow::StringBuilder>());
  EXPECT_TRUE(tags.Append().ok());
  auto& values = static_cast<arrow::StringBuilder&>(*tags.value_builder());
  EXPECT_TRUE(values.AppendValues(std::vector<std::string>{"x", "y"}).ok());
  EXPECT_TRUE(tags.AppendNull().ok());
  EXPECT_TRUE(tags.Append().ok());
  const auto pair = arrow::StructArray::Make({strings({"a", "b", "c"}), numbers<arrow::Int32Builder, int>({1, 2, 3})},
                                             std::vector<std::string>{"s", "n"})
                        .ValueOrDie();
  arrow::MapBuilder map(arrow::default_memory_pool(), std::make_shared<arrow::StringBuilder>(),
                        std::make_shared<arrow::Int64Builder>());
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(map.Append().ok());
    EXPECT_TRUE(static_cast<arrow::StringBuilder&>(*map.key_builder()).Append("k" + std::to_string(i)).ok());
    EXPECT_TRUE(static_cast<arrow::Int64Builder&>(*map.item_builder()).Append(i).ok());
  }
  arrow::Decimal128Builder decimal(arrow::decimal128(10, 2));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(decimal.Append(arrow::Decimal128(1250 + i)).ok());
  arrow::StringDictionaryBuilder dictionary;
  for (const char* word : {"red", "blue", "red"}) EXPECT_TRUE(dictionary.Append(word).ok());
  arrow::LargeBinaryBuilder binary;
  for (const char* word : {"b\xC3\xA9", "ok", "\xFF"}) EXPECT_TRUE(binary.Append(word).ok());
  const auto all = table({{"bool", numbers<arrow::BooleanBuilder, bool>({true, false, true})},
                          {"i8", numbers<arrow::Int8Builder, int8_t>({-1, 2, 3})},
                          {"u64", numbers<arrow::UInt64Builder, uint64_t>({~0ull, 2, 3})},
                          {"f32", numbers<arrow::FloatBuilder, float>({0.5f, NAN, 3})},
                          {"f64", numbers<arrow::DoubleBuilder, double>({0.25, INFINITY, 3})},
                          {"day", numbers<arrow::Date32Builder, int>({0, 1, 2})},
                          {"tags", tags.Finish().ValueOrDie()},
                          {"pair", pair},
                          {"map", map.Finish().ValueOrDie()},
                          {"decimal", decimal.Finish().ValueOrDie()},
                          {"color", dictionary.Finish().ValueOrDie()},
                          {"binary", binary.Finish().ValueOrDie()},
                          {"none", arrow::MakeArrayOfNull(arrow::null(), 3).ValueOrDie()}});
  const auto got = rows(write_table("types.parquet", all));
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(
      got[0].value,
      nlohmann::json::parse(R"({"bool":true,"i8":-1,"u64":18446744073709551615,"f32":0.5,"f64":0.25,"day":"1970-01-01",
      "tags":["x","y"],"pair":{"s":"a","n":1},"map":{"k0":0},"decimal":"12.50","color":"red","binary":"bé","none":null})"));
  EXPECT_EQ(got[1].value["f32"], nullptr);
  EXPECT_EQ(got[1].value["f64"], nullptr);
  EXPECT_EQ(got[1].value["tags"], nullptr);
  EXPECT_EQ(got[1].wrong, "");
  EXPECT_EQ(got[2].value["tags"], nlohmann::json::array());
  EXPECT_EQ(got[2].wrong, "invalid UTF-8");
}

TEST_F(ParquetTest, MessagesAreListsOfObjects) {
  const auto turn = arrow::struct_({field("role", arrow::utf8()), field("content", arrow::utf8())});
  std::unique_ptr<arrow::ArrayBuilder> builder;
  ASSERT_TRUE(arrow::MakeBuilder(arrow::default_memory_pool(), arrow::list(turn), &builder).ok());
  auto& list = static_cast<arrow::ListBuilder&>(*builder);
  auto& item = static_cast<arrow::StructBuilder&>(*list.value_builder());
  EXPECT_TRUE(list.Append().ok());
  for (const auto& [role, content] : {std::pair{"user", "Q"}, {"assistant", "A"}}) {
    EXPECT_TRUE(item.Append().ok());
    EXPECT_TRUE(static_cast<arrow::StringBuilder&>(*item.field_builder(0)).Append(role).ok());
    EXPECT_TRUE(static_cast<arrow::StringBuilder&>(*item.field_builder(1)).Append(content).ok());
  }
  std::shared_ptr<arrow::Array> nested;
  ASSERT_TRUE(builder->Finish(&nested).ok());
  const auto got = rows(write_table("m.parquet", table({{"messages", nested}})));
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].value["messages"],
            nlohmann::json::parse(R"([{"role":"user","content":"Q"},{"role":"assistant","content":"A"}])"));
}

TEST_F(ParquetTest, DamageIsSetAside) {
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) texts.push_back("some text that is long enough " + std::to_string(i * 7919));
  const auto path = write_table("whole.parquet", table({{"text", strings(texts)}}), 500);
  std::ifstream in(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  // Rows that came, and whether it ended in an Error.
  const auto count = [&](const std::string& bytes, std::string* reason) {
    size_t records = 0, malformed = 0;
    const auto file = write("damaged.parquet", bytes);
    std::unique_ptr<RowReader> reader;
    for (bool more = true; more && malformed <= 100;) {
      try {
        Row row;
        if (!reader) reader.reset(plumb_arrow_read_parquet(file.c_str(), nullptr, 0));
        more = reader->next(row);
        records += more;
      } catch (const Error& error) {
        ++malformed, *reason = error.message();
        more = reader && reader->goes_on();
      }
    }
    EXPECT_LT(malformed, 100u) << "no end";
    return std::pair{records, malformed};
  };
  std::string reason;
  EXPECT_EQ(count(whole, &reason), (std::pair<size_t, size_t>{3000, 0}));
  for (const size_t keep : {size_t{0}, size_t{3}, size_t{11}, whole.size() / 2, whole.size() - 1}) {
    EXPECT_EQ(count(whole.substr(0, keep), &reason), (std::pair<size_t, size_t>{0, 1})) << keep;
    EXPECT_THAT(reason, testing::HasSubstr("not a readable Parquet file"));
  }
  EXPECT_EQ(count("PAR1" + std::string(100, '\xFF') + "PAR1", &reason).second, 1u);
  std::string middle = whole;  // rows of the groups before it and behind it are kept
  for (size_t i = 0; i < 64; ++i) middle[whole.size() / 2 + i] = '\x7F';
  const auto [records, malformed] = count(middle, &reason);
  EXPECT_EQ(malformed, 1u);
  unsigned long from = 0, to = 0;
  const auto place = reason.find("; rows ");
  ASSERT_NE(place, std::string::npos) << reason;
  EXPECT_EQ(std::sscanf(reason.c_str() + place, "; rows %lu to %lu are left out", &from, &to), 2) << reason;
  EXPECT_EQ(records, 3000 - (to - from + 1));
  EXPECT_LT(to, 3000u);
  EXPECT_GT(from, 1u);
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::string damaged = whole;
    const size_t from = round % 2 ? damaged.size() - 2000 : 0;  // half of them hit the footer
    for (int i = 0; i < 3; ++i) damaged[from + random() % (damaged.size() - from)] = static_cast<char>(random());
    count(damaged, &reason);
  }
}

// A footer that claims a schema of any depth: readers by recursion would fall.
TEST_F(ParquetTest, DeepSchemaIsRefused) {
  std::string footer = "\x15\x02\x19\xFC";  // version 1; a list of structs with a long length
  const auto varint = [](uint64_t value) {
    std::string out;
    for (; value >= 128; value >>= 7) out += static_cast<char>(value | 128);
    return out + static_cast<char>(value);
  };
  const int depth = 200000;
  footer += varint(depth);
  for (int i = 0; i + 1 < depth; ++i)
    footer += std::string(
        "\x35\x00\x18\x01"
        "a\x15\x02\x00",
        8);  // optional "a", 1 child
  footer += std::string(
      "\x15\x0C\x25\x02\x18\x01"
      "b\x00",
      8);
  footer += std::string("\x16\x00\x19\x0C\x00", 5);
  std::string file = "PAR1" + footer;
  for (int i = 0; i < 4; ++i) file += static_cast<char>(footer.size() >> (8 * i));
  const auto path = write("deep.parquet", file + "PAR1");
  try {
    rows(path);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), testing::HasSubstr("not a readable Parquet file"));
  }
}

// A page of zeros compresses to nothing: what it takes is bounded, whatever the file says.
TEST_F(ParquetTest, ABombIsBounded) {
  const auto properties = parquet::WriterProperties::Builder()
                              .compression(parquet::Compression::ZSTD)
                              ->disable_dictionary()
                              ->data_pagesize(int64_t{1} << 30)
                              ->build();
  const std::string huge(size_t{100} << 20, 'x');
  const auto file = write_table("bomb.parquet", table({{"text", strings({huge, "fine"})}}), 10, properties);
  EXPECT_LT(std::filesystem::file_size(file), 1u << 20);
  const auto got = rows(file);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].wrong, "row larger than 64 MiB");
  EXPECT_EQ(got[1].value["text"], "fine");
}

}  // namespace
}  // namespace plumb::data
