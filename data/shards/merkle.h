// A Merkle tree of SHA-256 as in RFC 6962: a leaf is hashed with a zero byte before it, a node with a one byte, so that
// neither can be taken for the other.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumb::data {

class MerkleTree {
 public:
  void add(std::span<const std::byte> leaf);
  void add(std::string_view leaf);
  std::string root() const;  // hex; of no leaves: the hash of nothing

 private:
  // Roots of the full subtrees so far, largest first: the binary digits of the number of leaves.
  struct Subtree {
    std::string hash;  // 32 bytes
    int height;
  };
  std::vector<Subtree> subtrees_;
};

}  // namespace plumb::data
