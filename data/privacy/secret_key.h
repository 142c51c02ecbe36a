// The key of action hash: from a file, never shown.
#pragma once

#include <string>
#include <string_view>

namespace plumb::data::privacy {

class SecretKey {
 public:
  SecretKey() = default;
  // Error(bad_input): missing, not a plain file, readable by others than its owner, shorter than 16 bytes or of too few
  // different ones, longer than 4096. White space at the end is not part of the key.
  explicit SecretKey(const std::string& file);
  bool empty() const { return bytes_.empty(); }
  // HMAC-SHA256 of "purpose, zero byte, value": the first 64 bits in hex. Thread-safe.
  std::string tag(std::string_view purpose, std::string_view value) const;

 private:
  std::string bytes_;
};

}  // namespace plumb::data::privacy
