#include "data/shards/build_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <random>

#include "core/error.h"
#include "core/files.h"

namespace plumb::data {

namespace fs = std::filesystem;

BuildFolder::BuildFolder(fs::path folder, const std::function<void()>& on_wait) : folder_(std::move(folder)) {
  const fs::path cache = folder_.parent_path();
  const std::string name = "." + folder_.filename().string();
  std::error_code code;
  fs::create_directories(cache, code);
  if (code) {
    throw Error(code == std::errc::no_space_on_device ? ExitCode::out_of_resources : ExitCode::bad_input,
                "cannot be created: " + code.message(), cache, "data.cache=FOLDER puts the cache elsewhere");
  }
  lock_ = ::open((cache / (name + ".lock")).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock_ < 0) fail_input(cache, std::string("cannot be written: ") + std::strerror(errno));
  bool locked = ::flock(lock_, LOCK_EX | LOCK_NB) == 0;
  if (!locked && errno == EWOULDBLOCK) {
    on_wait();
    int result = 0;
    while ((result = ::flock(lock_, LOCK_EX)) != 0 && errno == EINTR) continue;
    locked = result == 0;
  }
  if (locked) {
    for (const auto& entry : fs::directory_iterator(cache, code)) {
      if (entry.path().filename().string().starts_with(name + ".part-")) fs::remove_all(entry.path(), code);
    }
    if (fs::exists(folder_) && !fs::exists(folder_ / "manifest.json")) fs::remove_all(folder_, code);
  }
  std::random_device random;
  temporary_ = cache / (name + ".part-" + std::to_string(::getpid()) + "-" + std::to_string(random()));
}

BuildFolder::~BuildFolder() {
  std::error_code code;
  fs::remove_all(temporary_, code);
  if (lock_ >= 0) ::close(lock_);
}

const fs::path& BuildFolder::temporary() const {
  std::error_code code;
  fs::create_directory(temporary_, code);
  if (code) fail_input(temporary_, "cannot be created: " + code.message());
  return temporary_;
}

void BuildFolder::commit() const {
  try {
    core::commit_folder(temporary_, folder_);
  } catch (const Error&) {
    if (!fs::exists(folder_ / "manifest.json"))
      throw;  // else: an equal folder of another builder, where locks do nothing
  }
}

}  // namespace plumb::data
