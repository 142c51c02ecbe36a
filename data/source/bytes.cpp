#include "data/source/bytes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "core/error.h"

namespace plumb::data {

namespace {

constexpr size_t kBuffer = size_t{1} << 20;

class PlainReader : public ByteReader {
 public:
  explicit PlainReader(const std::filesystem::path& file, uint64_t begin = 0) : file_(file) {
    fd_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // O_NONBLOCK: a FIFO must not hang the open
    if (fd_ < 0) fail_input(file_, std::string("cannot be read: ") + std::strerror(errno));
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(fd_);
      fail_input(file_, "expected a regular file, found something else");
    }
    if (begin > 0) ::lseek(fd_, static_cast<off_t>(begin), SEEK_SET);
  }
  ~PlainReader() override { ::close(fd_); }
  PlainReader(const PlainReader&) = delete;
  PlainReader& operator=(const PlainReader&) = delete;

  size_t read(std::span<char> out) override {
    for (;;) {
      const ssize_t n = ::read(fd_, out.data(), out.size());
      if (n >= 0) return consumed_ += static_cast<uint64_t>(n), static_cast<size_t>(n);
      if (errno != EINTR) fail_input(file_, std::string("cannot be read: ") + std::strerror(errno));
    }
  }
  uint64_t consumed() const override { return consumed_; }
  const std::string& name() const { return file_; }

 private:
  std::string file_;
  int fd_ = -1;
  uint64_t consumed_ = 0;
};

[[noreturn]] void fail_truncated(const std::string& file, const char* kind, uint64_t at) {
  fail_input(file, std::string(kind) + " stream ends early, after " + std::to_string(at) + " bytes of the file",
             "the file is truncated: copy or fetch it again");
}

class GzipReader : public ByteReader {
 public:
  explicit GzipReader(const std::filesystem::path& file) : plain_(file), input_(kBuffer) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) fail_internal("zlib: inflateInit2 failed");
  }
  ~GzipReader() override { inflateEnd(&stream_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(std::min(out.size(), kBuffer));
    const uInt wanted = stream_.avail_out;
    while (stream_.avail_out == wanted) {
      if (stream_.avail_in == 0 && !refill()) {
        if (in_member_ || members_ == 0) fail_truncated(plain_.name(), "gzip", plain_.consumed());
        break;
      }
      if (!in_member_ && !start_member()) break;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code == Z_STREAM_END) {
        in_member_ = false;
        inflateReset(&stream_);
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        fail_input(plain_.name(), std::string("damaged gzip stream: ") + (stream_.msg ? stream_.msg : "unknown"));
      }
    }
    return wanted - stream_.avail_out;
  }
  uint64_t consumed() const override { return plain_.consumed(); }

 private:
  bool refill() {
    const size_t n = plain_.read(input_);
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(n);
    return n > 0;
  }
  // Between and behind members zero bytes are padding, as tapes and some archivers leave it. Anything else is a member,
  // or damage: what it holds is not left out without a word.
  bool start_member() {
    while (members_ > 0 && *stream_.next_in == 0) {
      ++stream_.next_in;
      if (--stream_.avail_in == 0 && !refill()) return false;
    }
    ++members_;
    return in_member_ = true;
  }

  PlainReader plain_;
  std::vector<char> input_;
  z_stream stream_{};
  bool in_member_ = false;
  int64_t members_ = 0;
};

class ZstdReader : public ByteReader {
 public:
  explicit ZstdReader(const std::filesystem::path& file)
      : plain_(file), input_(kBuffer), stream_(ZSTD_createDStream()) {
    if (!stream_) throw Error(ExitCode::out_of_resources, "no memory for a zstd stream", file);
    ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, 27);  // 128 MiB at most, whatever a frame asks for
  }
  ~ZstdReader() override { ZSTD_freeDStream(stream_); }
  ZstdReader(const ZstdReader&) = delete;
  ZstdReader& operator=(const ZstdReader&) = delete;

  size_t read(std::span<char> out) override {
    ZSTD_outBuffer target{out.data(), out.size(), 0};
    while (target.pos == 0) {
      if (source_.pos == source_.size && !pending_) {
        const size_t n = plain_.read(input_);
        if (n == 0) {
          if (in_frame_ || plain_.consumed() == 0) fail_truncated(plain_.name(), "zstd", plain_.consumed());
          break;
        }
        source_ = {input_.data(), n, 0};
      }
      const size_t left = ZSTD_decompressStream(stream_, &target, &source_);
      if (ZSTD_isError(left)) {
        fail_input(plain_.name(), std::string("damaged zstd stream: ") + ZSTD_getErrorName(left),
                   "frames with a window above 128 MiB (zstd --long=28 and more) are not read");
      }
      in_frame_ = left != 0;
      pending_ = in_frame_ && target.pos == target.size;  // the decoder may hold more output than fitted
    }
    return target.pos;
  }
  uint64_t consumed() const override { return plain_.consumed(); }

 private:
  PlainReader plain_;
  std::vector<char> input_;
  ZSTD_DStream* stream_;
  ZSTD_inBuffer source_{nullptr, 0, 0};
  bool in_frame_ = false, pending_ = false;
};

}  // namespace

bool is_compressed(const std::filesystem::path& file) {
  const auto extension = file.extension();
  return extension == ".gz" || extension == ".zst" || extension == ".zstd";
}

std::unique_ptr<ByteReader> open_bytes_at(const std::filesystem::path& file, uint64_t begin) {
  return std::make_unique<PlainReader>(file, begin);
}

std::unique_ptr<ByteReader> open_bytes(const std::filesystem::path& file) {
  const auto extension = file.extension();
  if (extension == ".gz") return std::make_unique<GzipReader>(file);
  if (extension == ".zst" || extension == ".zstd") return std::make_unique<ZstdReader>(file);
  return std::make_unique<PlainReader>(file);
}

std::unique_ptr<ByteReader> open_text_at(const std::filesystem::path& file, uint64_t begin) {
  if (!is_compressed(file)) return open_bytes_at(file, begin);
  auto bytes = open_bytes(file);
  std::vector<char> passed(static_cast<size_t>(std::min<uint64_t>(begin, kBuffer)));
  for (uint64_t left = begin; left > 0;) {
    const size_t n = bytes->read({passed.data(), static_cast<size_t>(std::min<uint64_t>(left, passed.size()))});
    if (n == 0) break;
    left -= n;
  }
  return bytes;
}

CharReader::CharReader(const std::filesystem::path& file)
    : file_(file), bytes_(open_bytes(file)), buffer_(std::make_unique<char[]>(kBuffer)) {}

CharReader::CharReader(const std::filesystem::path& file, uint64_t begin, int64_t line)
    : file_(file),
      bytes_(open_text_at(file, begin)),
      buffer_(std::make_unique<char[]>(kBuffer)),
      before_(begin),
      line_(line),
      first_(begin == 0) {}

bool CharReader::fill() {
  before_ += size_, at_ = 0, size_ = 0;  // counted before a damaged stream throws
  size_ = bytes_->read({buffer_.get(), kBuffer});
  if (!first_) return size_ > 0;
  first_ = false;
  while (size_ > 0 && size_ < 3) {  // enough to see a byte order mark
    const size_t n = bytes_->read({buffer_.get() + size_, kBuffer - size_});
    if (n == 0) break;
    size_ += n;
  }
  const std::string_view head(buffer_.get(), std::min<size_t>(size_, 3));
  if (head.substr(0, 2) == "\xFF\xFE" || head.substr(0, 2) == "\xFE\xFF") {
    fail_input(file_.string(), "expected UTF-8, found a UTF-16 byte order mark",
               "iconv -f UTF-16 -t UTF-8 converts it");
  }
  if (head == "\xEF\xBB\xBF") at_ = 3;
  return at_ < size_ || (size_ == 3 && fill());
}

}  // namespace plumb::data
