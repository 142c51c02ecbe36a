#include "data/privacy/secret_key.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "core/error.h"
#include "core/files.h"

namespace plumb::data::privacy {
namespace {

constexpr size_t shortest = 16, longest = 4096, fewest_different = 8;
constexpr const char* how = "openssl rand -hex 32 > FILE && chmod 600 FILE";

}  // namespace

SecretKey::SecretKey(const std::string& file) {
  const std::string where = "data.privacy.key " + file;
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) fail_input(where, std::string("cannot be read: ") + std::strerror(errno), how);
  if (!S_ISREG(status.st_mode)) fail_input(where, "expected a file with a key", how);
  if (status.st_mode & (S_IRWXG | S_IRWXO)) {
    fail_input(where,
               fmt::format("expected a file that only its owner can read, found mode {:04o}", status.st_mode & 07777),
               "chmod 600 FILE, and make a new key if others may have read it");
  }
  if (status.st_size > static_cast<off_t>(longest))
    fail_input(where, fmt::format("expected a key of {} to {} bytes, found {}", shortest, longest, status.st_size),
               how);
  bytes_ = core::read_text(file, longest);
  while (!bytes_.empty() && (bytes_.back() == '\n' || bytes_.back() == '\r' || bytes_.back() == ' ')) bytes_.pop_back();
  if (bytes_.size() < shortest)
    fail_input(where, fmt::format("expected a key of {} to {} bytes, found {}", shortest, longest, bytes_.size()), how);
  if (std::set<char>(bytes_.begin(), bytes_.end()).size() < fewest_different)
    fail_input(where, fmt::format("expected a random key, found fewer than {} different bytes", fewest_different), how);
}

std::string SecretKey::tag(std::string_view purpose, std::string_view value) const {
  std::string message(purpose);
  message += '\0';
  message += value;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (!HMAC(EVP_sha256(), bytes_.data(), static_cast<int>(bytes_.size()),
            reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data(), &size))
    fail_internal("OpenSSL has no HMAC-SHA256");
  std::string hex;
  for (int i = 0; i < 8; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace plumb::data::privacy
