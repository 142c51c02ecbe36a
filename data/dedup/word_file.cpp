#include "data/dedup/word_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/files.h"
#include "core/hash.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;

constexpr char magic[8] = {'P', 'L', 'U', 'M', 'B', 'D', 'D', '1'};
constexpr uint64_t chunk_words = 65536;

struct Header {
  char magic[8];
  uint64_t kind, identity, words, note, reserved[2], checksum;
};
static_assert(sizeof(Header) == 64);

std::span<const std::byte> bytes_of(const void* data, size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

uint64_t header_checksum(const Header& header) { return core::xxh3(bytes_of(&header, offsetof(Header, checksum))); }

uint64_t chunk_checksum(const Header& header, uint64_t chunk, std::span<const std::byte> bytes) {
  return core::xxh3(bytes, header.identity + header.kind * 0xC2B2AE3D27D4EB4F + chunk * 0x9E3779B97F4A7C15);
}

}  // namespace

struct WordWriter::State {
  core::AtomicFile file;
  Header header{};
  std::vector<uint64_t> chunk;
  uint64_t chunks = 0;
  explicit State(const fs::path& path) : file(path) {}

  void flush() {
    if (chunk.empty()) return;
    const auto bytes = std::as_bytes(std::span(chunk));
    const uint64_t checksum = chunk_checksum(header, chunks++, bytes);
    file.write(bytes);
    file.write(bytes_of(&checksum, sizeof checksum));
    chunk.clear();
  }
};

WordWriter::WordWriter(const fs::path& file, WordKind kind, uint64_t identity) : state_(std::make_unique<State>(file)) {
  std::memcpy(state_->header.magic, magic, sizeof magic);
  state_->header.kind = static_cast<uint64_t>(kind);
  state_->header.identity = identity;
  state_->file.write(bytes_of(&state_->header, sizeof(Header)));
}

WordWriter::~WordWriter() = default;

void WordWriter::add(uint64_t word) {
  state_->chunk.push_back(word);
  ++state_->header.words;
  if (state_->chunk.size() == chunk_words) state_->flush();
}

void WordWriter::commit(uint64_t note) {
  state_->flush();
  state_->header.note = note;
  state_->header.checksum = header_checksum(state_->header);
  state_->file.write_at(0, bytes_of(&state_->header, sizeof(Header)));
  state_->file.commit();
}

struct WordReader::State {
  core::MappedFile file;
  Header header{};
  uint64_t at = 0;  // words given out

  explicit State(const fs::path& path) : file(path) {}

  // Empty when all is well.
  std::string trouble(WordKind kind, uint64_t identity) {
    const uint64_t size = file.bytes().size();
    if (size < sizeof header) return fmt::format("expected a header of 64 bytes, found a file of {}", size);
    std::memcpy(&header, file.bytes().data(), sizeof header);
    if (std::memcmp(header.magic, magic, sizeof magic) != 0) return "expected a deduplication file, found another kind";
    if (header.checksum != header_checksum(header)) return "its header is damaged";
    if (header.kind != static_cast<uint64_t>(kind)) return "it is another kind of deduplication file";
    if (header.identity != identity) return "it was made from other fingerprints or settings";
    if (header.words > size / sizeof(uint64_t) ||
        sizeof header + (header.words + (header.words + chunk_words - 1) / chunk_words) * sizeof(uint64_t) != size)
      return fmt::format("expected {} numbers, found {} bytes", header.words, size);
    return "";
  }
  [[noreturn]] void fail(const std::string& message) const {
    fail_input(file.path().string(), message, "remove the file; the build makes it again");
  }
};

WordReader::WordReader(const fs::path& file, WordKind kind, uint64_t identity) : state_(std::make_unique<State>(file)) {
  if (const std::string trouble = state_->trouble(kind, identity); !trouble.empty()) state_->fail(trouble);
}

WordReader::~WordReader() = default;

bool WordReader::made_from(const fs::path& file, WordKind kind, uint64_t identity) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return false;
  return State(file).trouble(kind, identity).empty();
}

uint64_t WordReader::words() const { return state_->header.words; }

uint64_t WordReader::note() const { return state_->header.note; }

bool WordReader::next(std::vector<uint64_t>& words) {
  auto& s = *state_;
  words.resize(static_cast<size_t>(std::min(chunk_words, s.header.words - s.at)));
  if (words.empty()) return false;
  const uint64_t chunk = s.at / chunk_words, bytes = words.size() * sizeof(uint64_t);
  const uint64_t offset = sizeof(Header) + chunk * (chunk_words + 1) * sizeof(uint64_t);
  const auto body = s.file.bytes().subspan(offset, bytes);
  uint64_t checksum;
  std::memcpy(&checksum, s.file.bytes().data() + offset + bytes, sizeof checksum);
  if (checksum != chunk_checksum(s.header, chunk, body))
    s.fail(fmt::format("chunk {} is damaged (byte {})", chunk, offset));
  std::memcpy(words.data(), body.data(), bytes);
  s.at += words.size();
  return true;
}

}  // namespace plumb::data
