#include "trainer/formats/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace plumb::formats {
namespace {

TEST(Half, EveryF16WidensExactly) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const double sign = bits & 0x8000 ? -1 : 1;
    const float value = from_f16(static_cast<uint16_t>(bits));
    if (exponent == 31) {
      EXPECT_TRUE(fraction ? std::isnan(value) : std::isinf(value) && std::signbit(value) == (sign < 0));
      continue;
    }
    const double expected = exponent ? std::ldexp(1024 + fraction, exponent - 25) : std::ldexp(fraction, -24);
    EXPECT_EQ(value, static_cast<float>(sign * expected)) << bits;
    EXPECT_EQ(std::signbit(value), sign < 0) << bits;
  }
}

TEST(Half, EveryBf16SurvivesTheRoundTrip) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float value = from_bf16(static_cast<uint16_t>(bits));
    if (std::isnan(value)) {
      EXPECT_EQ(to_bf16(value), 0x7FC0);
    } else {
      EXPECT_EQ(to_bf16(value), bits);
    }
  }
}

TEST(Half, Bf16RoundsToNearestEven) {
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3F808000u)), 0x3F80);  // tie, down to even
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3F818000u)), 0x3F82);  // tie, up to even
  EXPECT_EQ(to_bf16(std::bit_cast<float>(0x3F808001u)), 0x3F81);
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()), 0x7F80);  // to infinity
}

}  // namespace
}  // namespace plumb::formats
