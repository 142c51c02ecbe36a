// The weights of a Hugging Face folder: model.safetensors, or shards named by model.safetensors.index.json.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trainer/formats/safetensors.h"

namespace plumb::families {

// Opened and checked: every file lies in the folder, every tensor stands in exactly one of them, as the index says.
class WeightFiles {
 public:
  explicit WeightFiles(const std::filesystem::path& folder);

  struct Found {
    const formats::SafetensorsFile* file = nullptr;
    const formats::TensorEntry* entry = nullptr;
  };
  Found find(const std::string& name) const;                            // file == nullptr: none
  std::vector<std::string> names() const;                               // of all tensors, sorted
  const std::filesystem::path& path_of(const std::string& name) const;  // for messages
  // sha256 over names and contents of the files; above `full_limit` bytes over headers and sampled blocks of them.
  std::string digest(uint64_t full_limit = uint64_t{4} << 30) const;

 private:
  struct Shard {
    std::string name;
    std::filesystem::path path;
    std::unique_ptr<formats::SafetensorsFile> file;
  };
  void open(const std::filesystem::path& folder, const std::string& name);
  void open_indexed(const std::filesystem::path& folder, const std::filesystem::path& index);
  void add_tensors(size_t shard);

  std::vector<Shard> shards_;
  std::map<std::string, size_t> shard_of_;
};

}  // namespace plumb::families
