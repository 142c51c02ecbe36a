// Scalars with units, the table itself, and the presets.
#include "core/config/values.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/config/presets.h"
#include "core/config/reader.h"
#include "core/config/schema.h"

namespace plumb::config {
namespace {

TEST(Values, Int) {
  EXPECT_EQ(read_int("12").value, 12);
  EXPECT_EQ(read_int("-3").value, -3);
  EXPECT_EQ(read_int("0").value, 0);
  EXPECT_EQ(read_int("9223372036854775807").value, INT64_MAX);
  for (const char* bad :
       {"", "eight", "017", "1.0", "1e3", "1_000", "0x10", "0o17", "9223372036854775808", "1 ", "--1"})
    EXPECT_FALSE(read_int(bad).value) << bad;
  EXPECT_EQ(read_int("017").hint, "numbers are decimal, without leading zeros; write 17");
  EXPECT_EQ(read_int("4K").hint, "write 4000");
}

TEST(Values, Count) {
  EXPECT_EQ(read_count("2B").value, 2000000000);
  EXPECT_EQ(read_count("500M").value, 500000000);
  EXPECT_EQ(read_count("1.5K").value, 1500);
  EXPECT_EQ(read_count("1e9").value, 1000000000);
  EXPECT_EQ(read_count("1_000").value, 1000);
  EXPECT_EQ(read_count("5T").value, 5000000000000);
  for (const char* bad : {"1.5", "1.2345K", "1__0", "_1", "1_", "2b", "1e30", "10B tokens", "017", ".", "1e", "1e-9"})
    EXPECT_FALSE(read_count(bad).value) << bad;
  EXPECT_EQ(read_count("2b").hint, "write 2B");
}

TEST(Values, Numbers) {
  EXPECT_EQ(read_number("2e-5").value, 2e-5);
  EXPECT_EQ(read_number("3E-4").value, 3e-4);
  EXPECT_EQ(read_number(".5").value, 0.5);
  EXPECT_EQ(read_number("0").value, 0);
  for (const char* bad : {"1e400", "1e-400", ".nan", "nan", ".inf", "-.inf", "017", "1_0", "1,5", "3%", "0x1p3", "1e+"})
    EXPECT_FALSE(read_number(bad).value) << bad;
  EXPECT_DOUBLE_EQ(*read_fraction("3%").value, 0.03);
  EXPECT_DOUBLE_EQ(*read_fraction("0.03").value, 0.03);
  EXPECT_EQ(read_relative("10%").value, (Relative{10, true}));
  EXPECT_EQ(read_relative("10").value, (Relative{10, false}));
}

TEST(Values, BytesAndDurations) {
  EXPECT_EQ(read_bytes("16GiB").value, int64_t{16} << 30);
  EXPECT_EQ(read_bytes("80GB").value, 80000000000);
  EXPECT_EQ(read_bytes("1.5KiB").value, 1536);
  for (const char* bad : {"16", "16gb", "GiB", "1.0001B", "99999999TiB", "-1QB"})
    EXPECT_FALSE(read_bytes(bad).value) << bad;
  EXPECT_EQ(read_bytes("16gib").hint, "write 16GiB");
  EXPECT_EQ(read_duration("30s").value, 30);
  EXPECT_EQ(read_duration("10m").value, 600);
  EXPECT_EQ(read_duration("1h30m").value, 5400);
  EXPECT_EQ(read_duration("1.5h").value, 5400);
  for (const char* bad : {"10", "30m1h", "1h30", "10min", "1m1m", "-5s", "m"})
    EXPECT_FALSE(read_duration(bad).value) << bad;
}

TEST(Values, IntervalsAndSpans) {
  using Unit = Interval::Unit;
  EXPECT_EQ(read_interval("500 steps").value, (Interval{Unit::steps, 500}));
  EXPECT_EQ(read_interval("1 step").value, (Interval{Unit::steps, 1}));
  EXPECT_EQ(read_interval("1B tokens").value, (Interval{Unit::tokens, 1e9}));
  EXPECT_EQ(read_interval("1 epoch").value, (Interval{Unit::epochs, 1}));
  EXPECT_EQ(read_interval("0.5 epochs").value, (Interval{Unit::epochs, 0.5}));
  EXPECT_EQ(read_interval("10m").value, (Interval{Unit::seconds, 600}));
  for (const char* bad : {"500", "500steps", "steps", "1.5 steps", "10 minutes", ""})
    EXPECT_FALSE(read_interval(bad).value) << bad;
  EXPECT_EQ(read_span("2000 steps").value, (Span{Span::Unit::steps, 2000}));
  EXPECT_EQ(read_span("3%").value, (Span{Span::Unit::percent, 3}));
  for (const char* bad : {"3", "10m", "1 epoch"}) EXPECT_FALSE(read_span(bad).value) << bad;
}

TEST(Values, WrittenValuesAreReadBack) {
  for (const char* text : {"16GiB", "5GB", "1B", "1500KB"}) EXPECT_EQ(write_bytes(*read_bytes(text).value), text);
  for (const char* text : {"30s", "10m", "1h30m", "1d", "0.5s"})
    EXPECT_EQ(write_duration(*read_duration(text).value), text);
  for (const char* text : {"500 steps", "1 step", "1000000000 tokens", "0.5 epochs", "10m"})
    EXPECT_EQ(write_interval(*read_interval(text).value), text);
  for (const double value : {3e-4, 1e-8, 0.1, 1.0, 1e300, 123456.789})
    EXPECT_EQ(read_number(write_number(value)).value, value);
}

TEST(Values, NearestWord) {
  EXPECT_EQ(edit_distance("fromat", "format"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(nearest("cosin", {"linear", "cosine"}), "cosine");
  EXPECT_FALSE(nearest("zzz", {"linear", "cosine"}));
}

TEST(Schema, EveryDefaultIsWhatTheFieldHolds) {
  Config fresh;
  Problems problems("", "", {});
  const Reading reading = read_config(Node{}, {"/", "/"}, problems);
  Config read = reading.config;
  for (const auto& key : all_keys()) {
    if (key.type == Type::items || key.fallback.empty()) continue;
    EXPECT_EQ(render_value(key, &fresh), render_value(key, &read)) << key.address;
  }
}

TEST(Schema, EveryKeyIsComplete) {
  std::set<std::string> seen;
  for (const auto& key : all_keys()) {
    EXPECT_TRUE(seen.insert(key.address).second) << key.address;
    EXPECT_FALSE(key.meaning.empty()) << key.address;
    EXPECT_TRUE(key.type == Type::items ? key.item_keys && key.append && key.all : key.bind != nullptr) << key.address;
    EXPECT_NE(std::find(sections().begin(), sections().end(), key.address.substr(0, key.address.find('.'))),
              sections().end());
    EXPECT_EQ(find_key(key.address), &key);
    EXPECT_FALSE(planned(key.address)) << key.address;
  }
  EXPECT_NE(find_key("data.sources[7].path"), nullptr);
  EXPECT_EQ(find_key("data.source"), nullptr);
}

// Parameter counts as the models' cards and files give them.
TEST(Presets, PublishedParameterCounts) {
  const auto count = [](const char* name) { return find_preset(name)->parameters(find_preset(name)->vocab_size); };
  EXPECT_EQ(count("llama-1b"), 1040254976);
  EXPECT_EQ(count("llama-3.2-1b"), 1235814400);
  EXPECT_EQ(count("llama-3.2-3b"), 3212749824);
  EXPECT_EQ(count("llama-3.1-8b"), 8030261248);
  EXPECT_EQ(count("llama-3.1-70b"), 70553706496);
  EXPECT_EQ(count("llama-2-7b"), 6738415616);
  EXPECT_EQ(count("llama-2-13b"), 13015864320);
  EXPECT_EQ(count("tinyllama-1.1b"), 1100048384);
  EXPECT_EQ(count("smollm-135m"), 134515008);
  EXPECT_EQ(count("smollm-360m"), 361821120);
  EXPECT_EQ(find_preset("nothing"), nullptr);
}

TEST(Values, WhatIsWrittenOtherwiseElsewhereIsHinted) {
  EXPECT_EQ(read_interval("2 hours").hint, "write 2h");
  EXPECT_EQ(read_interval("10 min").hint, "write 10m");
  EXPECT_EQ(read_interval("10ms").hint, "");
  EXPECT_EQ(read_interval("500steps").hint, "write 500 steps");
  EXPECT_EQ(read_duration("1.5 Hours").hint, "write 1.5h");
  EXPECT_EQ(read_count("1,000").hint, "numbers have no commas; write 1000");
  EXPECT_EQ(read_int("1,000").hint, "numbers have no commas; write 1000");
  EXPECT_EQ(read_number("0,001").hint, "the decimal mark is a point; write 0.001");
  EXPECT_EQ(read_span("10m").hint, "steps, tokens or a share of the length, such as 3%");
}

}  // namespace
}  // namespace plumb::config
