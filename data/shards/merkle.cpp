#include "data/shards/merkle.h"

#include "core/hash.h"

namespace plumb::data {

namespace {

std::string raw(const std::string& hex) {
  const auto digit = [](char c) { return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10); };
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) bytes += static_cast<char>(digit(hex[i]) << 4 | digit(hex[i + 1]));
  return bytes;
}

std::string hex(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<unsigned char>(c) >> 4];
    text += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

std::string join(const std::string& left, const std::string& right) {
  core::Sha256 hash;
  hash.update(std::string_view("\x01", 1));
  hash.update(left);
  hash.update(right);
  return raw(hash.hex());
}

}  // namespace

void MerkleTree::add(std::string_view leaf) { add(std::as_bytes(std::span(leaf.data(), leaf.size()))); }

void MerkleTree::add(std::span<const std::byte> leaf) {
  core::Sha256 hash;
  hash.update(std::string_view("\0", 1));
  hash.update(leaf);
  subtrees_.push_back({raw(hash.hex()), 0});
  while (subtrees_.size() > 1 && subtrees_[subtrees_.size() - 2].height == subtrees_.back().height) {
    const Subtree right = std::move(subtrees_.back());
    subtrees_.pop_back();
    auto& left = subtrees_.back();
    left = {join(left.hash, right.hash), left.height + 1};
  }
}

std::string MerkleTree::root() const {
  if (subtrees_.empty()) return core::sha256("");
  std::string hash = subtrees_.back().hash;
  for (size_t i = subtrees_.size() - 1; i-- > 0;) hash = join(subtrees_[i].hash, hash);
  return hex(hash);
}

}  // namespace plumb::data
