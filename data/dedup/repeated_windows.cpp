#include "data/dedup/repeated_windows.h"

#include <divsufsort64.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/error.h"

namespace plumb::data {

std::vector<uint64_t> repeated_windows(std::string_view text, const std::vector<uint64_t>& ends, uint64_t length) {
  const uint64_t size = text.size();
  std::vector<uint64_t> marks((size + 63) / 64);
  if (length == 0 || size < 2 * length) return marks;
  const std::unique_ptr<saidx64_t[]> suffixes(new saidx64_t[size]);
  if (divsufsort64(reinterpret_cast<const sauchar_t*>(text.data()), suffixes.get(), static_cast<saidx64_t>(size)) != 0)
    throw Error(ExitCode::out_of_resources, "the suffix array could not be made", "data.dedup.substring",
                "give the build more memory, or write data.dedup.substring: none");
  const auto start = [&](uint64_t i) { return static_cast<uint64_t>(suffixes[i]); };
  const auto in_one_document = [&](uint64_t p) { return *std::upper_bound(ends.begin(), ends.end(), p) - p >= length; };
  const auto whole = [&](uint64_t p) { return size - p >= length; };
  const auto equal = [&](uint64_t a, uint64_t b) {
    return whole(a) && whole(b) && std::memcmp(text.data() + a, text.data() + b, length) == 0;
  };
  for (uint64_t i = 0; i < size;) {
    uint64_t after = i + 1;
    while (after < size && equal(start(after - 1), start(after))) ++after;
    if (after - i > 1) {
      uint64_t first = size;
      for (uint64_t k = i; k < after; ++k)
        if (start(k) < first && in_one_document(start(k))) first = start(k);
      // A window that overlaps the first one is not a repetition of it: of "aaaa" the first part stays.
      for (uint64_t k = i; k < after; ++k) {
        const uint64_t p = start(k);
        if (first < size && p >= first + length && in_one_document(p)) marks[p / 64] |= uint64_t{1} << (p % 64);
      }
    }
    i = after;
  }
  return marks;
}

}  // namespace plumb::data
