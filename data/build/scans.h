// Digest and cuts of source files, remembered by path, size, times and inode, so that only what is new or changed is
// read again at the next start.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/build/crew.h"
#include "data/build/meter.h"
#include "data/source/source.h"

namespace plumb::data {

// What a local file looks like from outside. The time of change is the kernel's own: nobody sets it back, as `touch`
// and tools that copy or unpack files do with the time of modification.
struct FileStamp {
  uint64_t bytes = 0, inode = 0, device = 0;
  int64_t modified = 0, changed = 0;  // ns
  bool operator==(const FileStamp&) const = default;
};
FileStamp stamp_of(const std::string& file);
[[noreturn]] void fail_changed(const std::filesystem::path& file);

struct ScannedFile {
  FileScan scan;
  FileStamp stamp;  // of a local file, as it was scanned
};
struct FileList {
  std::string name;  // tells the list apart from others in the cache
  const std::vector<SourceFile>& files;
};
// In the order of the lists and their files, which the meter shows as one; processes share the work.
std::vector<std::vector<ScannedFile>> scan_files(const std::filesystem::path& cache, const std::vector<FileList>&,
                                                 uint64_t range_bytes, Crew::Options crew, int threads, Meter&);

}  // namespace plumb::data
