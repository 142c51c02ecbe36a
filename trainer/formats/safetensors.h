// safetensors files (huggingface/safetensors safetensors/src/tensor.rs): strict reader, byte-stable writer.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/files.h"

namespace plumb::formats {

// In the order of the format's own enum: the writer sorts by it, descending.
enum class Dtype { boolean, u8, i8, f8_e5m2, f8_e4m3, i16, u16, f16, bf16, i32, u32, f32, f64, i64, u64 };
int64_t size_of(Dtype);
std::string name_of(Dtype);  // "F32"
std::optional<Dtype> dtype_named(std::string_view name);
inline constexpr uint64_t kMaxHeaderBytes = 100'000'000;

// [begin, end) in bytes from the start of the data, behind the header.
struct TensorEntry {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;
  int64_t numel() const;
};

// Memory-mapped; every rule of the format is checked before anything is believed. Errors name file and tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& file);
  const std::vector<TensorEntry>& entries() const { return entries_; }  // by offset
  const TensorEntry* find(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  std::span<const std::byte> bytes(const TensorEntry&) const;
  // Elements [begin, begin + out.size()) as fp32 (from F16, BF16, F32, F64).
  void read(const TensorEntry&, int64_t begin, std::span<float> out) const;

 private:
  void check_unchanged() const;

  core::MappedFile map_;
  uint64_t inode_ = 0;
  uint64_t data_start_ = 0;
  std::vector<TensorEntry> entries_;
  std::map<std::string, size_t> by_name_;
  std::map<std::string, std::string> metadata_;
};

// Declares all tensors first (the header needs them), then streams their bytes in the order the format demands
// (descending dtype, then name). Atomic: temporary file, fsync, rename. finish() returns the sha256 of the file.
class SafetensorsWriter {
 public:
  struct Declared {
    std::string name;
    Dtype dtype;
    std::vector<int64_t> shape;
  };
  SafetensorsWriter(const SafetensorsWriter&) = delete;
  SafetensorsWriter& operator=(const SafetensorsWriter&) = delete;
  SafetensorsWriter(const std::filesystem::path& file, std::vector<Declared> tensors,
                    std::map<std::string, std::string> metadata = {{"format", "pt"}});
  ~SafetensorsWriter();
  const std::vector<Declared>& order() const;    // the order in which write() must be called
  void write(std::span<const std::byte> bytes);  // whole next tensor, or consecutive pieces of it
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::formats
