// What there is to read, cut into units: a function of the files alone, so that every process makes the same plan.
#pragma once

#include <string>
#include <vector>

#include "data/build/crew.h"
#include "data/build/meter.h"
#include "data/build/scans.h"
#include "data/source/source.h"

namespace plumb::data {

struct PlannedFile {
  SourceFile file;
  uint16_t source = 0;
  uint32_t index = 0;  // among the files of its source
  std::string name;    // below the source's folder: the same wherever that lies
  std::string sha256;
  std::vector<FileRange> ranges;
  FileStamp stamp;  // of a local file, when it was hashed
};

// What one task reads: files of one source, or a range of one.
struct Unit {
  struct Stretch {
    uint32_t file = 0;  // in Plan::files
    FileRange range;
  };
  uint16_t source = 0;
  std::vector<Stretch> stretches;
  uint64_t bytes = 0;  // on disk
};

struct Plan {
  std::vector<PlannedFile> files;
  std::vector<Unit> units;
  std::vector<std::vector<std::string>> passed_over;  // by source: files whose kind is not read
  uint64_t bytes = 0;                                 // of all files
  uint64_t unit_bytes = 0;
};

Plan make_plan(const BuildRequest&, const std::filesystem::path& cache, Meter&);

}  // namespace plumb::data
