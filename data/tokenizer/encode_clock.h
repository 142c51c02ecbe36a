// Where the time of encoding goes: a thread that has a clock is told at each step what it was spent on.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace plumb::data {

enum class EncodeStage { text, scan, look_up, merge, write };
inline constexpr std::array<const char*, 5> kEncodeStages{"text", "scan", "look_up", "merge", "write"};

struct EncodeClock {
  std::array<uint64_t, kEncodeStages.size()> ticks{};
  uint64_t last = now();

  static uint64_t now() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
  }
  static inline thread_local EncodeClock* of_this_thread = nullptr;  // none: nothing is measured
};

// The time since the last call was spent on `stage`.
inline void encode_lap(EncodeStage stage) {
  EncodeClock* const clock = EncodeClock::of_this_thread;
  if (!clock) return;
  const uint64_t now = EncodeClock::now();
  clock->ticks[static_cast<size_t>(stage)] += now - clock->last;
  clock->last = now;
}

}  // namespace plumb::data
