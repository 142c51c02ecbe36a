#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "trainer/formats/safetensors.h"
#include "trainer/formats/safetensors_header.h"

namespace plumb::formats {

struct SafetensorsWriter::State {
  explicit State(const std::filesystem::path& path) : path(path), file(path) {}
  std::filesystem::path path;
  core::AtomicFile file;
  core::Sha256 hash;
  std::vector<Declared> order;
  std::vector<uint64_t> sizes;
  size_t current = 0;    // tensor being written
  uint64_t written = 0;  // bytes of it so far
  bool finished = false;

  void put(std::span<const std::byte> bytes) {
    hash.update(bytes);
    file.write(bytes);
  }
  void skip_complete() {
    while (current < sizes.size() && written == sizes[current]) ++current, written = 0;
  }
};

namespace {

std::string header_text(const std::vector<SafetensorsWriter::Declared>& order, const std::vector<uint64_t>& sizes,
                        const std::map<std::string, std::string>& metadata) {
  std::string text = "{";
  if (!metadata.empty()) text += "\"__metadata__\":" + nlohmann::json(metadata).dump();
  uint64_t begin = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    if (text.size() > 1) text += ',';
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        nlohmann::json(order[i].name).dump(), name_of(order[i].dtype), fmt::join(order[i].shape, ","),
                        begin, begin + sizes[i]);
    begin += sizes[i];
  }
  text += '}';
  text.append((8 - text.size() % 8) % 8, ' ');  // so that the data starts aligned
  return text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& file, std::vector<Declared> tensors,
                                     std::map<std::string, std::string> metadata)
    : state_(std::make_unique<State>(file)) {
  auto& order = state_->order = std::move(tensors);
  std::sort(order.begin(), order.end(), [](const Declared& a, const Declared& b) {
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  std::vector<std::string> names;
  uint64_t total = 0;
  for (const auto& tensor : order) {
    const auto size = checked_bytes(tensor.dtype, tensor.shape);
    if (!size || __builtin_add_overflow(total, *size, &total))
      fail_internal("safetensors: size of " + tensor.name + " overflows");
    state_->sizes.push_back(*size);
    names.push_back(tensor.name);
  }
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end())
    fail_internal("safetensors: a tensor was declared twice");
  if (std::binary_search(names.begin(), names.end(), "__metadata__"))
    fail_internal("safetensors: a tensor named __metadata__");
  std::string header;
  try {
    header = header_text(order, state_->sizes, metadata);
  } catch (const nlohmann::json::exception& error) {
    fail_internal(fmt::format("safetensors: {}: a name is not UTF-8: {}", file.string(), error.what()));
  }
  if (header.size() > kMaxHeaderBytes) fail_input(file.string(), "too many tensors for one safetensors file");
  const uint64_t length = header.size();
  state_->put(std::as_bytes(std::span(&length, 1)));
  state_->put(std::as_bytes(std::span(header)));
  state_->skip_complete();
}

SafetensorsWriter::~SafetensorsWriter() = default;

const std::vector<SafetensorsWriter::Declared>& SafetensorsWriter::order() const { return state_->order; }

void SafetensorsWriter::write(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  auto& s = *state_;
  if (s.finished || s.current == s.order.size()) fail_internal("safetensors: more bytes than were declared");
  if (bytes.size() > s.sizes[s.current] - s.written) {
    fail_internal(fmt::format("safetensors: {} has {} bytes, {} more were written", s.order[s.current].name,
                              s.sizes[s.current], bytes.size() - (s.sizes[s.current] - s.written)));
  }
  s.put(bytes);
  s.written += bytes.size();
  s.skip_complete();
}

std::string SafetensorsWriter::finish() {
  auto& s = *state_;
  if (s.finished) fail_internal("safetensors: finished twice");
  if (s.current != s.order.size()) {
    fail_internal(
        fmt::format("safetensors: {} has {} of {} bytes", s.order[s.current].name, s.written, s.sizes[s.current]));
  }
  s.finished = true;
  s.file.commit();
  return s.hash.hex();
}

}  // namespace plumb::formats
