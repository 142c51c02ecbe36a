// Files that commit atomically, and read-only memory maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace plumb::core {

namespace fs = std::filesystem;

// An object of a store, "s3://bucket/key": no path of a file system.
inline bool is_remote(std::string_view path) { return path.starts_with("s3://"); }

// Whole file, read-only. Errors (missing, a directory, a device, unreadable) are Error(bad_input) naming the file.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const fs::path& file);
  ~MappedFile();
  MappedFile(MappedFile&&) noexcept;
  MappedFile& operator=(MappedFile&&) noexcept;
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Written under a temporary name beside `file`; commit() fsyncs, renames and fsyncs the folder. Destroyed without
// commit: the temporary is removed and `file` is as it was. A full disk is Error(out_of_resources).
class AtomicFile {
 public:
  explicit AtomicFile(const fs::path& file);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  void commit();

 private:
  fs::path file_, temporary_;
  int fd_ = -1;
  bool committed_ = false;
};

// A hidden name beside `target` that no other process on any host that shares the folder takes: what is made under it
// is renamed into place.
fs::path temporary_beside(const fs::path& target);

// Files and folders under temporary names that processes that are gone left in `folder` beside targets whose names
// begin with `name`. Those of other hosts stay: whether they live is not seen from here.
void remove_leftovers(const fs::path& folder, const std::string& name);

std::string read_text(const fs::path& file, uint64_t limit = uint64_t{1} << 30);  // Error when larger than limit
void write_text(const fs::path& file, std::string_view text);                     // atomic
void append_line(const fs::path& file, std::string_view line);                    // one write(2), newline added
void sync_folder(const fs::path& folder);                                         // fsync of the directory itself
void commit_folder(const fs::path& temporary, const fs::path& final_name);        // fsync all, rename, fsync parent
int64_t available_bytes(const fs::path& where);                                   // free disk space
int64_t available_memory();                                                       // MemAvailable, cgroup limit applied
int64_t resident_memory();                                                        // this process's RSS now

}  // namespace plumb::core
