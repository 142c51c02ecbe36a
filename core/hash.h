// XXH3 for content keys and block checksums, SHA-256 for files and digests (OpenSSL).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace plumb::core {

uint64_t xxh3(std::span<const std::byte> bytes, uint64_t seed = 0);
uint64_t xxh3(std::string_view text, uint64_t seed = 0);

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  std::string hex();  // ends the computation
 private:
  struct State;
  std::unique_ptr<State> state_;
};
std::string sha256(std::string_view text);
std::string sha256_file(const std::filesystem::path& file);

}  // namespace plumb::core
