// Rows to stored documents, unit by unit. A unit becomes one or more chunks of about unit_bytes of text, each in files
// of its own, so that a killed build goes on where its last chunk ended:
//   docs-UUUUU-CCC.zst, docs-UUUUU-CCC.fingerprints and .places (with deduplication), docs-UUUUU-CCC.malformed and
//   .dropped (if any row is; lines of quarantine.jsonl and dropped.jsonl), docs-UUUUU-CCC.json last; unit-UUUUU.json
#pragma once

#include "data/build/plan.h"
#include "data/build/preparer.h"

namespace plumb::data {

// Where reading of a unit goes on after a chunk.
struct Position {
  size_t stretch = 0;
  int64_t taken = 0;    // records and malformed rows of the whole unit so far
  int64_t rows = 0;     // of them in this stretch
  uint64_t offset = 0;  // first byte of the last row, where its container knows; 0: count rows instead
  int64_t line = 0;     // of that row
};

struct ChunkFiles {
  std::filesystem::path documents, fingerprints, places, malformed, dropped, counts;
};
ChunkFiles chunk_files(const std::filesystem::path& folder, size_t unit, size_t chunk);
std::filesystem::path unit_file(const std::filesystem::path& folder, size_t unit);

class ReadPhase {
 public:
  ReadPhase(const BuildRequest& request, const Plan& plan, const Preparer& preparer, std::filesystem::path folder,
            Meter& meter)
      : request_(request), plan_(plan), preparer_(preparer), folder_(std::move(folder)), meter_(meter) {}
  bool done(size_t unit) const { return std::filesystem::exists(unit_file(folder_, unit)); }
  void read(size_t unit, int threads) const;

 private:
  const BuildRequest& request_;
  const Plan& plan_;
  const Preparer& preparer_;
  std::filesystem::path folder_;
  Meter& meter_;
};

}  // namespace plumb::data
