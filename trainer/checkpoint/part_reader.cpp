#include <algorithm>

#include "core/error.h"
#include "trainer/checkpoint/manifest.h"
#include "trainer/formats/safetensors.h"

namespace plumb::checkpoint {

struct PartReader::State {
  Manifest manifest;
  // Opened when first needed: a rank of many maps only the files that hold its parts.
  mutable std::vector<std::unique_ptr<formats::SafetensorsFile>> files;

  const formats::SafetensorsFile& file(size_t index) const {
    if (!files[index]) {
      verify_file(manifest, manifest.files[index], false);  // a link that came after the first look is not followed
      files[index] = std::make_unique<formats::SafetensorsFile>(manifest.folder / manifest.files[index].name);
    }
    return *files[index];
  }
};

PartReader::PartReader(const Manifest& manifest) : state_(std::make_unique<State>()) {
  state_->manifest = manifest;
  state_->files.resize(manifest.files.size());
}

PartReader::~PartReader() = default;

const StoredTensor* PartReader::find(const std::string& key) const {
  const auto& tensors = state_->manifest.tensors;
  const auto place = std::lower_bound(tensors.begin(), tensors.end(), key,
                                      [](const StoredTensor& tensor, const std::string& k) { return tensor.key < k; });
  return place != tensors.end() && place->key == key ? &*place : nullptr;
}

void PartReader::read(const StoredTensor& tensor, int64_t begin, std::span<float> out) const {
  const int64_t end = begin + static_cast<int64_t>(out.size());
  if (begin < 0 || end > element_count(tensor.shape)) {
    fail_internal("elements " + std::to_string(begin) + "-" + std::to_string(end) + " of " + tensor.key +
                  " were asked for");
  }
  for (const StoredPart& part : tensor.parts) {
    const int64_t first = std::max(begin, part.begin), last = std::min(end, part.end);
    if (first >= last) continue;
    const formats::SafetensorsFile& file = state_->file(part.file);
    const std::string name = entry_name(tensor.key, part.begin, part.end);
    const formats::TensorEntry* entry = file.find(name);
    if (entry == nullptr || entry->dtype != formats::Dtype::f32 || entry->numel() != part.end - part.begin) {
      fail_input((state_->manifest.folder / state_->manifest.files[part.file].name).string() + ": tensor " + name,
                 entry == nullptr ? "the manifest names it, the file does not have it"
                                  : "expected F32 of the size in its name",
                 "the checkpoint is damaged; use another one");
    }
    file.read(*entry, first - part.begin,
              out.subspan(static_cast<size_t>(first - begin), static_cast<size_t>(last - first)));
  }
}

}  // namespace plumb::checkpoint
