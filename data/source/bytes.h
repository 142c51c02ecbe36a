// Bytes of one source file, decompressed on the way. Memory is bounded whatever the file claims about itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace plumb::data {

class ByteReader {
 public:
  virtual ~ByteReader() = default;
  // Fills `out` from the front; 0 only at the end. A damaged or truncated stream is an Error(bad_input).
  virtual size_t read(std::span<char> out) = 0;
  virtual uint64_t consumed() const = 0;  // bytes of the file on disk read so far (progress)
};

// .gz and .zst (by the name's end) are decompressed; concatenated members and frames are one stream.
std::unique_ptr<ByteReader> open_bytes(const std::filesystem::path& file);
// From byte `begin` of the file on disk on, as it is.
std::unique_ptr<ByteReader> open_bytes_at(const std::filesystem::path& file, uint64_t begin);
// From byte `begin` of its decompressed text on.
std::unique_ptr<ByteReader> open_text_at(const std::filesystem::path& file, uint64_t begin);
bool is_compressed(const std::filesystem::path& file);  // by the name's end

// One character at a time with the line it stands on; a UTF-8 byte order mark at the start is skipped, a UTF-16 one is
// an Error.
class CharReader {
 public:
  explicit CharReader(const std::filesystem::path& file);
  // From byte `begin` of the (decompressed) file on, where line `line` goes on or begins.
  CharReader(const std::filesystem::path& file, uint64_t begin, int64_t line);
  static constexpr int kEnd = -1;
  int peek() { return at_ < size_ || fill() ? static_cast<unsigned char>(buffer_[at_]) : kEnd; }
  int get() {
    const int c = peek();
    if (c == kEnd) return c;
    ++at_;
    line_ += c == '\n';
    return c;
  }
  int64_t line() const { return line_; }               // of the next character, 1-based
  uint64_t position() const { return before_ + at_; }  // of the next character in the decompressed file
  void set_line(int64_t line) { line_ = line; }
  const std::filesystem::path& file() const { return file_; }
  uint64_t consumed() const { return bytes_->consumed(); }
  // The buffered characters not yet taken (at least one unless at the end), and taking n of them without newlines.
  std::string_view ahead() {
    return peek() == kEnd ? std::string_view() : std::string_view(&buffer_[at_], size_ - at_);
  }
  void skip_within_line(size_t n) { at_ += n; }

 private:
  bool fill();
  std::filesystem::path file_;
  std::unique_ptr<ByteReader> bytes_;
  std::unique_ptr<char[]> buffer_;
  size_t at_ = 0, size_ = 0;
  uint64_t before_ = 0;  // bytes of the file ahead of buffer_
  int64_t line_ = 1;
  bool first_ = true;
};

}  // namespace plumb::data
