// A dataset folder opened for reading.
#pragma once

#include <map>

#include "data/dataset.h"
#include "data/shards/hashed_file.h"

namespace plumb::data {

// What manifest.json says, checked.
struct Manifest {
  std::string digest, tokenizer_digest, packing;
  int64_t sequence_length = 0, vocab_size = 0, documents = 0, rows = 0;
  uint64_t tokens = 0, tokens_per_shard = 0;
  uint32_t token_bytes = 0;
  bool weights = false;
  std::vector<std::string> sources;  // names
  BuildReport report;
  struct File {
    std::string name, sha256;
    uint64_t bytes = 0;
  };
  std::vector<File> files;  // in the order of blocks.bin
  std::string blocks_sha256;
};
Manifest read_manifest(const std::filesystem::path& folder);
// Writes blocks.bin and manifest.json (last). `content` holds everything but files; gives the digest.
std::string write_manifest(const std::filesystem::path& folder, nlohmann::ordered_json content,
                           const std::vector<HashedFile>& files);

class ShardDataset : public Dataset {
 public:
  explicit ShardDataset(std::filesystem::path folder);

  std::string digest() const override { return manifest_.digest; }
  std::filesystem::path folder() const override { return folder_; }
  int64_t sequence_length() const override { return manifest_.sequence_length; }
  std::string packing() const override { return manifest_.packing; }
  std::string tokenizer_digest() const override { return manifest_.tokenizer_digest; }
  int64_t documents() const override { return manifest_.documents; }
  int64_t tokens() const override { return static_cast<int64_t>(manifest_.tokens); }
  int64_t rows() const override { return manifest_.rows; }
  BuildReport report() const override { return manifest_.report; }
  Sample sample(int64_t document) const override;
  int64_t document_tokens(int64_t document) const override;
  uint64_t document_id(int64_t document) const override { return entry(document).id; }
  std::string document_source(int64_t document) const override;
  void read(int64_t document, int64_t begin, std::span<int32_t> ids, std::span<float> weights) const override;
  std::vector<Span> row(int64_t row) const override;

 private:
  const VerifiedFile& file(const std::string& name) const;
  DocumentEntry entry(int64_t document) const;  // document = documents(): the end
  int64_t document_at(uint64_t token) const;
  std::vector<Span> concat_row(int64_t row) const;
  void read_ids(uint64_t first, std::span<int32_t> ids) const;
  void read_weights(uint64_t first, std::span<float> weights) const;

  std::filesystem::path folder_;
  Manifest manifest_;
  std::map<std::string, VerifiedFile> files_;
  std::vector<const VerifiedFile*> tokens_, weights_;
  const VerifiedFile* documents_ = nullptr;
  const VerifiedFile* spans_ = nullptr;
  const VerifiedFile* rows_ = nullptr;
};

}  // namespace plumb::data
