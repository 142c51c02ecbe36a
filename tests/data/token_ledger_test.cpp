#include "data/token_ledger.h"

#include "data_files.h"

namespace plumb::data {
namespace {

using testing::HasSubstr;

TEST(TokenLedger, InIsTrainedAndEachLoss) {
  TokenLedger ledger;
  ledger.keep(std::vector<float>{0, 0, 0, 1, 1});
  ledger.keep(std::vector<float>{0, 1, 0.5f});
  ledger.keep(std::vector<float>{});
  ledger.drop_too_long(100);
  EXPECT_EQ(ledger.in, 108);
  EXPECT_EQ(ledger.trained, 4);
  EXPECT_EQ(ledger.masked, 2);
  EXPECT_EQ(ledger.first, 2);
  EXPECT_EQ(ledger.too_long, 100);
  EXPECT_TRUE(ledger.balanced());
  ledger.positions = 10, ledger.padding = 2;
  EXPECT_EQ(ledger.filled(), 0.8);
  TokenLedger twice = ledger;
  twice += ledger;
  EXPECT_EQ(twice.in, 216);
  EXPECT_EQ(twice.positions, 20);
  EXPECT_TRUE(twice.balanced());
  EXPECT_EQ(TokenLedger::from_json(twice.json(), "x").json(), twice.json());
  const auto lines = ledger.lines();
  int64_t rest = lines[0].count;
  for (const auto& line : lines) {
    if (line.name[0] == '=' || line.name[0] == '+') rest -= line.count;
  }
  EXPECT_EQ(rest, 0) << "the printed lines balance too";
}

TEST(TokenLedger, WhatDoesNotBalanceIsRefused) {
  TokenLedger ledger;
  ledger.keep(std::vector<float>{0, 1});
  auto json = ledger.json();
  json["in"] = 3;
  EXPECT_THAT(printed_error([&] { TokenLedger::from_json(json, "m"); }), HasSubstr("does not balance"));
  json["in"] = -2;
  EXPECT_THAT(printed_error([&] { TokenLedger::from_json(json, "m"); }), HasSubstr("expected a count"));
  json.erase("in");
  EXPECT_THAT(printed_error([&] { TokenLedger::from_json(json, "m"); }), HasSubstr("\"in\""));
  EXPECT_THAT(printed_error([&] { TokenLedger::from_json(5, "m"); }), HasSubstr("expected a count"));
}

}  // namespace
}  // namespace plumb::data
