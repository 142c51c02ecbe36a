// A scratch file that has no name: it vanishes with the process, however that ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace plumb::data {

class SpillFile {
 public:
  explicit SpillFile(const std::filesystem::path& folder);
  ~SpillFile();
  SpillFile(SpillFile&&) noexcept;
  SpillFile& operator=(SpillFile&&) noexcept;
  uint64_t size() const { return size_; }
  void append(std::span<const std::byte> bytes);
  void read(uint64_t offset, std::span<std::byte> bytes) const;  // all of it, or an Error

 private:
  std::filesystem::path folder_;
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace plumb::data
