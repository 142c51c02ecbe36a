#include "data/store/cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "core/log.h"

namespace plumb::data {

namespace {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

constexpr size_t kBlock = size_t{8} << 20;
constexpr uint64_t kLargestSidecar = uint64_t{64} << 10;
constexpr size_t kLongestTail = 64;

// What tells one written file from another of the same name.
struct Identity {
  uint64_t bytes = 0, inode = 0;
  int64_t modified = 0;  // nanoseconds
  bool operator==(const Identity&) const = default;
};

std::optional<Identity> identity_of(const fs::path& file) {
  struct stat status {};
  if (::lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return Identity{static_cast<uint64_t>(status.st_size), static_cast<uint64_t>(status.st_ino),
                  int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
}

struct Sidecar {
  std::string file, hash;
  Identity identity;
};

std::optional<Sidecar> read_sidecar(const fs::path& file) {
  std::error_code code;
  if (!fs::is_regular_file(file, code)) return std::nullopt;
  try {
    const json value = core::parse_json_file(file, kLargestSidecar);
    Sidecar sidecar;
    sidecar.file = value.value("file", "");
    sidecar.hash = value.value("xxh3", "");
    sidecar.identity = {value.value("bytes", uint64_t{0}), value.value("inode", uint64_t{0}),
                        value.value("modified", int64_t{0})};
    return sidecar;
  } catch (const Error&) {
    return std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

std::string hash_of(const fs::path& file) { return fmt::format("{:016x}", core::xxh3(core::MappedFile(file).bytes())); }

// The etag of an object that came in one piece is the MD5 of its bytes, unless the store encrypts with keys of its own.
bool is_md5(const std::string& etag) {
  return etag.size() == 32 && etag.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string md5_of(const fs::path& file) {
  const core::MappedFile mapped(file);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(mapped.bytes().data(), mapped.bytes().size(), digest, &size, EVP_md5(), nullptr) != 1) return "";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

// Files whose hash this process has seen to be right.
bool seen_whole(const fs::path& file, const Identity& identity, bool add) {
  static std::mutex mutex;
  static std::set<std::string> seen;
  const std::lock_guard lock(mutex);
  const auto key = fmt::format("{} {} {} {}", file.string(), identity.bytes, identity.inode, identity.modified);
  return add ? seen.insert(key).second : seen.contains(key);
}

void touch(const fs::path& file) { ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0); }

// A name that everybody can guess, where everybody may write: the folder must be ours and no link.
fs::path own_temporary_folder() {
  const fs::path folder = fs::temp_directory_path() / fmt::format("plumb-objects-{}", ::geteuid());
  struct stat status {};
  ::mkdir(folder.c_str(), 0700);
  if (::lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
    fail_input(folder.string(), "expected a folder of this user for fetched objects, found something else",
               "data.cache names another place");
  }
  return folder;
}

// Deleting what nobody uses may help.
class DiskFull : public Error {
 public:
  DiskFull(const fs::path& file, const std::string& reason)
      : Error(ExitCode::out_of_resources, "a fetched object cannot be written: " + reason, file.string()) {}
};

void write_sidecar(const fs::path& file, const json& value) {
  try {
    core::write_text(file, value.dump(1) + "\n");
  } catch (const Error& error) {
    if (error.code() != ExitCode::out_of_resources) throw;
    throw DiskFull(file, error.message());
  }
}

class PartFile {
 public:
  explicit PartFile(const fs::path& file) : file_(file) {
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd_ < 0) fail();
  }
  ~PartFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  uint64_t size() const {
    struct stat status {};
    return ::fstat(fd_, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  }
  void cut(uint64_t size) {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail();
  }
  void write(uint64_t at, const char* bytes, size_t size) {
    while (size > 0) {
      const ssize_t n = ::pwrite(fd_, bytes, size, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail();
      bytes += n, at += static_cast<uint64_t>(n), size -= static_cast<size_t>(n);
    }
  }

 private:
  [[noreturn]] void fail() const {
    if (errno == ENOSPC || errno == EDQUOT) throw DiskFull(file_, std::strerror(errno));
    throw Error(errno == EFBIG ? ExitCode::out_of_resources : ExitCode::bad_input,
                std::string("a fetched object cannot be written: ") + std::strerror(errno), file_.string());
  }
  fs::path file_;
  int fd_ = -1;
};

// Something in the cache that could go.
struct Evictable {
  fs::path sidecar, data, lock;
  uint64_t bytes = 0;
  int64_t used = 0;
  bool part = false;
};

// Everything the sidecars of a folder speak for but one object, what was used longest ago first. What they do not speak
// for is not ours and does not count.
std::vector<Evictable> contents(const fs::path& folder, const fs::path& but_part, const fs::path& but_data) {
  std::vector<Evictable> found;
  std::error_code code;
  for (fs::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (!name.ends_with(".json")) continue;
    const auto sidecar = read_sidecar(at->path());
    const auto used = identity_of(at->path());
    if (!sidecar || !used) continue;
    Evictable one;
    one.part = name.ends_with(".part.json");
    const std::string id = name.substr(0, name.size() - (one.part ? 10 : 5));
    one.sidecar = at->path(), one.lock = folder / (id + ".lock");
    one.data = folder / (one.part ? id + ".part" : fs::path(sidecar->file).filename().string());
    one.used = used->modified;
    const auto data = identity_of(one.data);
    if (!one.part && (!data || !(*data == sidecar->identity))) continue;
    if (one.data == but_part || one.data == but_data) continue;
    one.bytes = one.part ? sidecar->identity.bytes : data->bytes;
    found.push_back(std::move(one));
  }
  std::sort(found.begin(), found.end(), [](const Evictable& a, const Evictable& b) {
    return a.used != b.used ? a.used < b.used : a.sidecar < b.sidecar;
  });
  return found;
}

// False when somebody uses it.
bool evict(const Evictable& one) {
  const FileLock lock = FileLock::attempt(one.lock);
  if (!lock) return false;
  std::error_code code;
  fs::remove(one.data, code);
  fs::remove(one.sidecar, code);
  fs::remove(one.lock, code);
  return true;
}

}  // namespace

struct ObjectCache::Names {
  std::string id;
  fs::path data, sidecar, part, part_sidecar, lock;
};

ObjectCache::ObjectCache(StoreCache options) : options_(std::move(options)) {
  std::error_code code;
  if (options_.folder.empty())
    options_.folder = own_temporary_folder();
  else
    fs::create_directories(options_.folder, code);
  if (code) fail_input(options_.folder.string(), "the folder for fetched objects cannot be made: " + code.message());
}

ObjectCache::Names ObjectCache::names_of(Store& store, const StoreEntry& entry) const {
  Names names;
  names.id = core::sha256(store.server() + "\n" + entry.path + "\n" + entry.version()).substr(0, 32);
  std::string tail = entry.path.substr(entry.path.rfind('/') + 1);  // readers go by the extension
  if (tail.size() > kLongestTail) tail.erase(0, tail.size() - kLongestTail);
  for (char& c : tail) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
    if (!plain) c = '_';
  }
  names.data = options_.folder / (names.id + "." + tail);
  names.sidecar = options_.folder / (names.id + ".json");
  names.part = options_.folder / (names.id + ".part");
  names.part_sidecar = options_.folder / (names.id + ".part.json");
  names.lock = options_.folder / (names.id + ".lock");
  return names;
}

LocalFile ObjectCache::get(Store& store, const StoreEntry& entry) {
  if (entry.bytes > options_.limit) {
    throw Error(
        ExitCode::out_of_resources,
        fmt::format("the object has {} bytes, the cache of fetched objects may hold {}", entry.bytes, options_.limit),
        entry.path, "a larger data.object_cache, or copy it to a local folder and name that");
  }
  const Names names = names_of(store, entry);
  for (int round = 0; round < 8; ++round) {
    {
      FileLock shared(names.lock, FileLock::Kind::shared);
      if (present(names)) {
        touch(names.sidecar);
        return LocalFile(names.data, std::make_shared<FileLock>(std::move(shared)));
      }
    }
    const FileLock exclusive(names.lock, FileLock::Kind::exclusive);
    if (!present(names)) fetch(store, entry, names);
  }
  throw Error(ExitCode::out_of_resources, "the object is fetched again and again, and gone before it can be used",
              entry.path, "other jobs share this cache: give this one another data.cache");
}

// Called under the object's lock.
bool ObjectCache::present(const Names& names) const {
  const auto sidecar = read_sidecar(names.sidecar);
  const auto data = identity_of(names.data);
  if (!sidecar || !data || !(*data == sidecar->identity)) return false;
  if (seen_whole(names.data, *data, false)) return true;
  if (hash_of(names.data) != sidecar->hash) return false;  // damaged since: fetched again
  seen_whole(names.data, *data, true);
  return true;
}

void ObjectCache::fetch(Store& store, const StoreEntry& entry, const Names& names) {
  std::error_code code;
  const auto sidecar = read_sidecar(names.sidecar);
  const auto data = identity_of(names.data);
  if (fs::exists(fs::symlink_status(names.data, code)) && !(sidecar && data && *data == sidecar->identity)) {
    fail_input(names.data.string(), "a file that was not written by the cache, or changed since, is in its place",
               "move it away; the cache deletes nothing that is not its own");
  }
  if (fs::exists(fs::symlink_status(names.part, code)) && !fs::exists(names.part_sidecar, code)) {
    fail_input(names.part.string(), "a file that was not written by the cache is in its place", "move it away");
  }
  for (;;) {
    try {
      make_room(entry, names);
      return download(store, entry, names);
    } catch (const DiskFull& full) {  // the limit is larger than what the disk has
      if (free_disk(entry.bytes, names)) continue;
      throw Error(ExitCode::out_of_resources,
                  full.message() + ", and the cache of fetched objects has nothing more that could go", full.where(),
                  "free space there, or give data.cache another place");
    }
  }
}

// What an earlier attempt left is gone on with.
void ObjectCache::download(Store& store, const StoreEntry& entry, const Names& names) {
  std::error_code code;
  PartFile part(names.part);
  const auto object = store.open(entry.path);
  const auto unchanged = [&] {
    if (store.stat(entry.path).version() == entry.version()) return;
    fail_input(entry.path, "the object changed while it was read", "start again when nobody writes to it any more");
  };
  std::vector<char> block(std::min<uint64_t>(kBlock, std::max<uint64_t>(entry.bytes, 1)));
  std::string md5;
  for (int round = 0; round < 2; ++round) {
    uint64_t at = round == 0 ? std::min(part.size(), entry.bytes) / kBlock * kBlock : 0;
    part.cut(at);
    if (round == 0 && object->entry().version() != entry.version()) unchanged();
    while (at < entry.bytes) {
      const size_t wanted = static_cast<size_t>(std::min<uint64_t>(block.size(), entry.bytes - at));
      const size_t n = object->read(at, {block.data(), wanted});
      if (n != wanted) fail_input(entry.path, fmt::format("ends after {} of {} bytes", at + n, entry.bytes));
      part.write(at, block.data(), n);
      at += n;
    }
    if (!is_md5(entry.etag)) break;
    const std::string found = md5_of(names.part);
    // Wrong twice in the same way: no damage but an etag that is not the MD5 (stores that encrypt).
    if (found == entry.etag || found == md5 || found.empty()) break;
    md5 = found;
  }
  unchanged();
  const auto written = identity_of(names.part);
  if (!written || written->bytes != entry.bytes) fail_input(names.part.string(), "changed while it was written");
  write_sidecar(names.sidecar, {{"object", entry.path},
                                {"server", store.server()},
                                {"etag", entry.etag},
                                {"file", names.data.filename().string()},
                                {"bytes", written->bytes},
                                {"inode", written->inode},
                                {"modified", written->modified},
                                {"xxh3", hash_of(names.part)}});
  fs::rename(names.part, names.data, code);
  if (code) fail_input(names.data.string(), "cannot be put in place: " + code.message());
  fs::remove(names.part_sidecar, code);
  seen_whole(names.data, *written, true);
}

void ObjectCache::make_room(const StoreEntry& entry, const Names& names) const {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(options_.patience);
  while (!try_make_room(entry, names)) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(ExitCode::out_of_resources,
                  fmt::format("no room for {} bytes in the cache of fetched objects: its {} bytes are in use",
                              entry.bytes, options_.limit),
                  entry.path,
                  "a larger data.object_cache; other jobs may share this cache: give this one another data.cache");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

bool ObjectCache::try_make_room(const StoreEntry& entry, const Names& names) const {
  const FileLock whole(options_.folder / "cache.lock", FileLock::Kind::exclusive);
  const auto found = contents(options_.folder, names.part, names.data);
  uint64_t used = 0;
  for (const auto& one : found) used += one.bytes;
  for (const auto& one : found) {
    if (used + entry.bytes <= options_.limit) break;
    if (evict(one)) used -= one.bytes;
  }
  if (used + entry.bytes > options_.limit) return false;
  write_sidecar(names.part_sidecar, {{"object", entry.path}, {"bytes", entry.bytes}});
  return true;
}

// False when there was nothing to delete.
bool ObjectCache::free_disk(uint64_t bytes, const Names& names) const {
  const FileLock whole(options_.folder / "cache.lock", FileLock::Kind::exclusive);
  bool any = false;
  uint64_t freed = 0;
  for (const auto& one : contents(options_.folder, names.part, names.data)) {
    if (freed >= bytes) break;
    const auto data = identity_of(one.data);  // of an unfinished one less than `one.bytes`
    if (!evict(one)) continue;
    any = true, freed += data ? data->bytes : 0;
  }
  return any;
}

}  // namespace plumb::data
