// Digest and cuts of source files, remembered by path, size, time and inode, so that only what is new or changed is
// read again at the next start.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/build/crew.h"
#include "data/build/meter.h"
#include "data/source/source.h"

namespace plumb::data {

// In the order of `files`. `name` tells the list apart from others in the cache; processes share the work.
std::vector<FileScan> scan_files(const std::filesystem::path& cache, const std::string& name,
                                 const std::vector<SourceFile>& files, uint64_t range_bytes, Crew::Options crew,
                                 int threads, Meter&);

}  // namespace plumb::data
