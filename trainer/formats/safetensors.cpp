#include "trainer/formats/safetensors.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <bit>
#include <cstring>

#include "core/error.h"
#include "trainer/formats/half.h"
#include "trainer/formats/safetensors_header.h"

namespace plumb::formats {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

namespace {

template <class Stored, class Convert>
void widen(const std::byte* from, std::span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, from + i * sizeof(Stored), sizeof(Stored));  // data may be unaligned in old files
    out[i] = convert(value);
  }
}

}  // namespace

int64_t TensorEntry::numel() const {
  return static_cast<int64_t>((end - begin) / static_cast<uint64_t>(size_of(dtype)));
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& file) : map_(file) {
  const auto bytes = map_.bytes();
  const std::string where = file.string();
  const char* hint = "the file is damaged or is not a safetensors file";
  if (bytes.size() < 8) fail_input(where, fmt::format("expected at least 8 bytes, found {}", bytes.size()), hint);
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes.data(), 8);
  if (header_bytes > kMaxHeaderBytes) {
    fail_input(where, fmt::format("expected a header of at most {} bytes, found {}", kMaxHeaderBytes, header_bytes),
               hint);
  }
  if (header_bytes > bytes.size() - 8) {
    fail_input(where,
               fmt::format("its header of {} bytes does not fit into the file of {} bytes", header_bytes, bytes.size()),
               hint);
  }
  data_start_ = 8 + header_bytes;
  auto header = parse_safetensors_header(map_.text().substr(8, header_bytes), bytes.size() - data_start_, where);
  entries_ = std::move(header.entries);
  metadata_ = std::move(header.metadata);
  for (size_t i = 0; i < entries_.size(); ++i) by_name_.emplace(entries_[i].name, i);
  struct stat now {};
  if (::stat(file.c_str(), &now) == 0) inode_ = now.st_ino;
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &entries_[it->second];
}

// A file that shrinks in place under its map would end the process with SIGBUS instead of a message.
void SafetensorsFile::check_unchanged() const {
  struct stat now {};
  if (::stat(map_.path().c_str(), &now) != 0 || now.st_ino != inode_) return;  // replaced: the map keeps the old file
  if (static_cast<uint64_t>(now.st_size) < map_.bytes().size()) {
    fail_input(
        map_.path().string(),
        fmt::format("the file shrank from {} to {} bytes while it was being read", map_.bytes().size(), now.st_size),
        "another process is writing it; start again when it has finished");
  }
}

std::span<const std::byte> SafetensorsFile::bytes(const TensorEntry& entry) const {
  check_unchanged();
  return map_.bytes().subspan(data_start_ + entry.begin, entry.end - entry.begin);
}

void SafetensorsFile::read(const TensorEntry& entry, int64_t begin, std::span<float> out) const {
  const auto data = bytes(entry);
  const int64_t numel = entry.numel();
  const std::string where = map_.path().string() + ": tensor " + entry.name;
  if (begin < 0 || begin > numel || out.size() > static_cast<uint64_t>(numel - begin)) {
    fail_input(where, fmt::format("elements {} to {} were asked for, it has {}", begin,
                                  begin + static_cast<int64_t>(out.size()), numel));
  }
  const std::byte* from = data.data() + begin * size_of(entry.dtype);
  switch (entry.dtype) {
    case Dtype::f32:
      if (!out.empty()) std::memcpy(out.data(), from, out.size_bytes());
      return;
    case Dtype::bf16:
      return widen<uint16_t>(from, out, from_bf16);
    case Dtype::f16:
      return widen<uint16_t>(from, out, from_f16);
    case Dtype::f64:
      return widen<double>(from, out, [](double value) { return static_cast<float>(value); });
    default:
      break;
  }
  fail_input(where, "expected F16, BF16, F32 or F64, found " + name_of(entry.dtype),
             "quantised weights are not read; use the model's unquantised files");
}

}  // namespace plumb::formats
