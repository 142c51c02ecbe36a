#include "trainer/checkpoint/manifest.h"

#include <sys/stat.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"

namespace plumb::checkpoint {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kFormat = "plumb checkpoint";
constexpr const char* kDamaged = "the checkpoint is damaged; plumb goes on from the one before it";
constexpr uint64_t kLargestManifest = uint64_t{1} << 28;

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "shard-" digits ".safetensors": nothing else is ever opened, so no name can lead out of the folder.
bool is_shard_name(std::string_view name) {
  constexpr std::string_view kBegin = "shard-", kEnd = ".safetensors";
  if (name.size() <= kBegin.size() + kEnd.size() || name.size() > 40) return false;
  if (!name.starts_with(kBegin) || !name.ends_with(kEnd)) return false;
  return all_digits(name.substr(kBegin.size(), name.size() - kBegin.size() - kEnd.size()));
}

// Typed access to one JSON object of the manifest; every refusal names the key.
class Reader {
 public:
  Reader(const ordered_json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json_.is_object()) refuse("expected an object");
  }
  const ordered_json& any(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) refuse(std::string("the key ") + key + " is missing");
    return *found;
  }
  std::string text(const char* key) const {
    const ordered_json& value = any(key);
    if (!value.is_string()) refuse(std::string(key) + ": expected a text");
    return value.get<std::string>();
  }
  int64_t count(const char* key) const { return count(any(key), key); }
  int64_t count(const ordered_json& value, const char* key) const {
    const bool fits = value.is_number_integer() &&
                      (value.is_number_unsigned()
                           ? value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())
                           : value.get<int64_t>() >= 0);
    if (!fits)
      refuse(std::string(key) + ": expected a whole number of at least 0, found " + value.dump().substr(0, 40));
    return value.get<int64_t>();
  }
  const ordered_json& list(const char* key) const {
    const ordered_json& value = any(key);
    if (!value.is_array()) refuse(std::string(key) + ": expected a list");
    return value;
  }
  [[noreturn]] void refuse(const std::string& what) const { fail_input(where_, what, kDamaged); }

 private:
  const ordered_json& json_;
  std::string where_;
};

std::vector<FileRecord> read_files(const Reader& top, const std::string& where) {
  std::vector<FileRecord> files;
  for (const ordered_json& json : top.list("files")) {
    const Reader reader(json, where + ": files[" + std::to_string(files.size()) + "]");
    FileRecord file{reader.text("name"), reader.count("bytes"), reader.text("sha256")};
    if (!is_shard_name(file.name)) reader.refuse("\"" + file.name.substr(0, 80) + "\" is not a name of a shard");
    const bool twice =
        std::any_of(files.begin(), files.end(), [&](const FileRecord& other) { return other.name == file.name; });
    if (twice) reader.refuse(file.name + " stands twice");
    files.push_back(std::move(file));
  }
  return files;
}

// The parts in ascending order cover [0, numel) without gap or overlap.
void check_tiling(const StoredTensor& tensor, const Reader& reader) {
  const int64_t elements = element_count(tensor.shape);
  if (elements < 0) reader.refuse(tensor.key + " has an impossible shape");
  int64_t place = 0;
  for (const StoredPart& part : tensor.parts) {
    if (part.begin != place || part.end <= part.begin) {
      reader.refuse(tensor.key + ": expected a part that begins at element " + std::to_string(place) + ", found " +
                    std::to_string(part.begin) + "-" + std::to_string(part.end));
    }
    place = part.end;
  }
  if (place != elements) {
    reader.refuse(tensor.key + ": its parts end at element " + std::to_string(place) + " of " +
                  std::to_string(elements));
  }
}

StoredTensor read_tensor(const ordered_json& json, const std::string& where, size_t files) {
  const Reader reader(json, where);
  StoredTensor tensor{reader.text("key"), reader.text("role"), {}, {}};
  for (const ordered_json& extent : reader.list("shape")) tensor.shape.push_back(reader.count(extent, "shape"));
  for (const ordered_json& entry : reader.list("parts")) {
    const Reader part(entry, where + ": parts");
    const StoredPart stored{part.count("begin"), part.count("end"), static_cast<size_t>(part.count("file"))};
    if (stored.file >= files) part.refuse("there is no file " + std::to_string(stored.file));
    tensor.parts.push_back(stored);
  }
  std::sort(tensor.parts.begin(), tensor.parts.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  check_tiling(tensor, reader);
  return tensor;
}

}  // namespace

std::string shard_name(int rank) {
  std::string number = std::to_string(rank);
  number.insert(0, number.size() < 5 ? 5 - number.size() : 0, '0');
  return "shard-" + number + ".safetensors";
}

std::string entry_name(const std::string& key, int64_t begin, int64_t end) {
  return key + "@" + std::to_string(begin) + "-" + std::to_string(end);
}

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) return -1;
  }
  return count;
}

int64_t step_of_name(const std::string& name) {
  if (!name.starts_with("step-") || name.size() > 23 || !all_digits(std::string_view(name).substr(5))) return -1;
  const int64_t step = std::stoll(name.substr(5));
  return name == name_of_step(step) ? step : -1;
}

std::string name_of_step(int64_t step) { return "step-" + std::to_string(step); }

std::string manifest_text(const Manifest& manifest) {
  ordered_json json = {{"format", kFormat}, {"version", kFormatVersion}, {"step", manifest.step}};
  json["about"] = manifest.about;
  json["values"] = manifest.values;
  json["files"] = ordered_json::array();
  for (const FileRecord& file : manifest.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  }
  json["tensors"] = ordered_json::array();
  for (const StoredTensor& tensor : manifest.tensors) {
    ordered_json parts = ordered_json::array();
    for (const StoredPart& part : tensor.parts) {
      parts.push_back({{"begin", part.begin}, {"end", part.end}, {"file", part.file}});
    }
    json["tensors"].push_back(
        {{"key", tensor.key}, {"role", tensor.role}, {"shape", tensor.shape}, {"parts", std::move(parts)}});
  }
  json["sha256"] = core::sha256(json.dump());
  return json.dump(1) + "\n";
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path file = folder / kManifestName;
  const std::string where = file.string();
  std::error_code error;
  if (fs::is_symlink(file, error))
    fail_input(where, "expected a file, found a link", "copy the checkpoint, not a link");
  if (!fs::exists(file, error)) {
    fail_input(where, "there is no manifest.json: this is not a finished checkpoint",
               "give the folder of one checkpoint, such as RUN/step-100");
  }
  ordered_json json = core::parse_json_file(file, kLargestManifest);
  const Reader top(json, where);
  if (top.text("format") != kFormat) top.refuse("this is not the manifest of a plumb checkpoint");
  if (top.count("version") != kFormatVersion) {
    fail_input(
        where,
        "expected format version " + std::to_string(kFormatVersion) + ", found " + std::to_string(top.count("version")),
        "it was written by another version of plumb; use that one");
  }
  const std::string digest = top.text("sha256");
  ordered_json rest = json;
  rest.erase("sha256");
  if (core::sha256(rest.dump()) != digest) fail_input(where, "its content is not what was written", kDamaged);

  Manifest manifest;
  manifest.folder = folder;
  manifest.step = top.count("step");
  manifest.about = top.any("about");
  manifest.values = top.any("values");
  manifest.files = read_files(top, where);
  for (const ordered_json& tensor : top.list("tensors")) {
    const std::string place = where + ": tensors[" + std::to_string(manifest.tensors.size()) + "]";
    manifest.tensors.push_back(read_tensor(tensor, place, manifest.files.size()));
  }
  std::sort(manifest.tensors.begin(), manifest.tensors.end(), [](auto& a, auto& b) { return a.key < b.key; });
  const auto twice = std::adjacent_find(manifest.tensors.begin(), manifest.tensors.end(),
                                        [](const auto& a, const auto& b) { return a.key == b.key; });
  if (twice != manifest.tensors.end()) top.refuse("the tensor " + twice->key + " stands twice");
  const int64_t named = step_of_name(fs::weakly_canonical(folder, error).filename().string());
  if (named >= 0 && named != manifest.step) {
    top.refuse("the folder says step " + std::to_string(named) + ", the manifest step " +
               std::to_string(manifest.step));
  }
  return manifest;
}

void verify_file(const Manifest& manifest, const FileRecord& file, bool hashes) {
  const fs::path path = manifest.folder / file.name;
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) fail_input(path.string(), "the file is missing", kDamaged);
  if (!S_ISREG(status.st_mode))
    fail_input(path.string(), "expected a plain file, found a link or something else", kDamaged);
  if (status.st_size != file.bytes) {
    fail_input(path.string(),
               "expected " + std::to_string(file.bytes) + " bytes, found " + std::to_string(status.st_size), kDamaged);
  }
  if (hashes && core::sha256_file(path) != file.sha256) {
    fail_input(path.string(), "its SHA-256 is not the one in the manifest", kDamaged);
  }
}

}  // namespace plumb::checkpoint
