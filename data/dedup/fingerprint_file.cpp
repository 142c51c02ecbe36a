#include "data/dedup/fingerprint_file.h"

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

constexpr char magic[8] = {'P', 'L', 'U', 'M', 'B', 'F', 'P', '\n'};
constexpr uint64_t version = 1;
constexpr uint64_t hash_bytes = 16, word_bytes = 8;

struct Header {
  char magic[8];
  uint64_t version, identity, documents, bands, rows;
  uint64_t content;   // of all columns' checksums: equal files have equal contents
  uint64_t checksum;  // of all before it
};
static_assert(sizeof(Header) == 64);

std::span<const std::byte> bytes_of(const void* data, size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

uint64_t header_checksum(const Header& header) { return core::xxh3(bytes_of(&header, offsetof(Header, checksum))); }

// Columns are numbered: 0 hashes, 1 .. bands the keys, then rows. A chunk read at the wrong place does not verify.
uint64_t place_seed(uint64_t identity, uint64_t position, uint64_t column) {
  return identity + position * 0x9E3779B97F4A7C15 + column * 0xC2B2AE3D27D4EB4F;
}

uint64_t row_entry(uint64_t rows) { return rows == 0 ? 0 : rows + word_bytes; }

// Bytes of a block with so many documents. At most 4096 x (16 + 256 x 8 + 16384 + 8) + ...: no overflow.
uint64_t block_bytes(uint64_t documents, uint64_t bands, uint64_t rows) {
  if (documents == 0) return 0;
  return documents * (hash_bytes + bands * word_bytes + row_entry(rows)) + (bands + 1) * word_bytes;
}

}  // namespace

struct FingerprintWriter::State {
  core::AtomicFile file;
  Header header{};
  std::vector<uint64_t> hashes;
  std::vector<std::vector<uint64_t>> bands;
  std::vector<uint8_t> rows;
  std::string name;

  State(const fs::path& path, const Fingerprinter& fingerprinter)
      : file(path), bands(static_cast<size_t>(fingerprinter.bands())), name(path.string()) {
    std::memcpy(header.magic, magic, sizeof magic);
    header.version = version;
    header.identity = fingerprinter.identity_hash();
    header.bands = bands.size();
    header.rows = static_cast<uint64_t>(fingerprinter.rows());
    file.write(bytes_of(&header, sizeof header));  // its final form follows in commit()
  }

  void flush() {
    if (hashes.empty()) return;
    const uint64_t block = (header.documents - 1) / FingerprintReader::block_documents;
    const auto column = [&](const std::vector<uint64_t>& words, uint64_t number) {
      const auto bytes = bytes_of(words.data(), words.size() * word_bytes);
      const uint64_t checksum = core::xxh3(bytes, place_seed(header.identity, block, number));
      file.write(bytes);
      file.write(bytes_of(&checksum, sizeof checksum));
      header.content = core::xxh3(bytes_of(&checksum, sizeof checksum), header.content);
    };
    column(hashes, 0);
    hashes.clear();
    for (size_t i = 0; i < bands.size(); ++i) {
      column(bands[i], i + 1);
      bands[i].clear();
    }
    file.write(bytes_of(rows.data(), rows.size()));
    rows.clear();
  }
};

FingerprintWriter::FingerprintWriter(const fs::path& file, const Fingerprinter& fingerprinter)
    : state_(std::make_unique<State>(file, fingerprinter)) {}

FingerprintWriter::~FingerprintWriter() = default;

void FingerprintWriter::add(const Fingerprint& fingerprint) {
  auto& s = *state_;
  if (fingerprint.bands.size() != s.bands.size() || fingerprint.rows.size() != s.header.rows)
    fail_internal("a fingerprint of other settings was added to " + s.name);
  s.hashes.insert(s.hashes.end(), fingerprint.hash.begin(), fingerprint.hash.end());
  for (size_t i = 0; i < s.bands.size(); ++i) s.bands[i].push_back(fingerprint.bands[i]);
  if (s.header.rows > 0) {
    const auto bytes = bytes_of(fingerprint.rows.data(), fingerprint.rows.size());
    const uint64_t checksum = core::xxh3(bytes, place_seed(s.header.identity, s.header.documents, s.header.bands + 1));
    s.rows.insert(s.rows.end(), fingerprint.rows.begin(), fingerprint.rows.end());
    s.header.content = core::xxh3(bytes_of(&checksum, sizeof checksum), s.header.content);
    const auto* tail = reinterpret_cast<const uint8_t*>(&checksum);
    s.rows.insert(s.rows.end(), tail, tail + sizeof checksum);
  }
  ++s.header.documents;
  if (s.header.documents % FingerprintReader::block_documents == 0) s.flush();
}

void FingerprintWriter::commit() {
  state_->flush();
  state_->header.checksum = header_checksum(state_->header);
  state_->file.write_at(0, bytes_of(&state_->header, sizeof(Header)));
  state_->file.commit();
}

struct FingerprintReader::State {
  core::MappedFile file;
  Header header{};

  State(const fs::path& path, const Fingerprinter& fingerprinter) : file(path) {
    if (file.bytes().size() < sizeof header)
      fail("expected a header of 64 bytes, found a file of " + std::to_string(file.bytes().size()));
    std::memcpy(&header, file.bytes().data(), sizeof header);
    if (std::memcmp(header.magic, magic, sizeof magic) != 0) fail("expected a fingerprint file, found another kind");
    if (header.checksum != header_checksum(header)) fail("its header is damaged");
    if (header.version != version) fail(fmt::format("expected version {}, found {}", version, header.version));
    if (header.identity != fingerprinter.identity_hash() ||
        header.bands != static_cast<uint64_t>(fingerprinter.bands()) ||
        header.rows != static_cast<uint64_t>(fingerprinter.rows()))
      fail("its fingerprints were made with other settings of data.dedup");
    // No size is believed before the file's own length agrees with it.
    const uint64_t smallest = hash_bytes + header.bands * word_bytes + row_entry(header.rows);
    const uint64_t size = file.bytes().size();
    if (header.documents > size / smallest) fail_size(header.documents);
    const uint64_t whole = header.documents / block_documents, rest = header.documents % block_documents;
    if (sizeof header + whole * whole_block() + block_bytes(rest, header.bands, header.rows) != size)
      fail_size(header.documents);
  }

  [[noreturn]] void fail(const std::string& message) const {
    fail_input(file.path().string(), message, "remove the file; the build makes it again");
  }
  [[noreturn]] void fail_size(uint64_t documents) const {
    fail(fmt::format("expected the fingerprints of {} documents, found {} bytes", documents, file.bytes().size()));
  }
  uint64_t whole_block() const { return block_bytes(block_documents, header.bands, header.rows); }
  uint64_t documents_in(int64_t block) const {
    const auto first = static_cast<uint64_t>(block) * block_documents;
    if (block < 0 || first >= header.documents) fail_internal("a fingerprint block that is not there");
    return std::min<uint64_t>(block_documents, header.documents - first);
  }
  uint64_t column_offset(int64_t block, uint64_t column) const {
    const uint64_t n = documents_in(block), start = sizeof(Header) + static_cast<uint64_t>(block) * whole_block();
    if (column == 0) return start;
    return start + n * hash_bytes + word_bytes + (column - 1) * (n * word_bytes + word_bytes);
  }
  void column(int64_t block, uint64_t number, uint64_t words_each, std::vector<uint64_t>& words) const {
    words.resize(documents_in(block) * words_each);
    const auto bytes = file.bytes().subspan(column_offset(block, number), words.size() * word_bytes + word_bytes);
    const auto body = bytes.first(words.size() * word_bytes);
    uint64_t checksum;
    std::memcpy(&checksum, bytes.data() + body.size(), sizeof checksum);
    if (checksum != core::xxh3(body, place_seed(header.identity, static_cast<uint64_t>(block), number)))
      fail(fmt::format("column {} of block {} is damaged (byte {})", number, block, column_offset(block, number)));
    std::memcpy(words.data(), body.data(), body.size());
  }
};

FingerprintReader::FingerprintReader(const fs::path& file, const Fingerprinter& fingerprinter)
    : state_(std::make_unique<State>(file, fingerprinter)) {}

FingerprintReader::~FingerprintReader() = default;
FingerprintReader::FingerprintReader(FingerprintReader&&) noexcept = default;

int64_t FingerprintReader::documents() const { return static_cast<int64_t>(state_->header.documents); }

uint64_t FingerprintReader::content_hash() const { return state_->header.content; }

int64_t FingerprintReader::blocks() const { return (documents() + block_documents - 1) / block_documents; }

void FingerprintReader::hashes(int64_t block, std::vector<uint64_t>& words) const {
  state_->column(block, 0, 2, words);
}

void FingerprintReader::band(int64_t block, int64_t band, std::vector<uint64_t>& words) const {
  if (band < 0 || static_cast<uint64_t>(band) >= state_->header.bands) fail_internal("a band that is not there");
  state_->column(block, static_cast<uint64_t>(band) + 1, 1, words);
}

void FingerprintReader::rows(int64_t document, std::span<uint8_t> bytes) const {
  const auto& s = *state_;
  if (bytes.size() != s.header.rows || document < 0 || document >= documents()) fail_internal("rows out of range");
  if (bytes.empty()) return;
  const auto index = static_cast<uint64_t>(document);
  const uint64_t offset = s.column_offset(document / block_documents, s.header.bands + 1) +
                          index % block_documents * row_entry(s.header.rows);
  const auto entry = s.file.bytes().subspan(offset, row_entry(s.header.rows));
  uint64_t checksum;
  std::memcpy(&checksum, entry.data() + bytes.size(), sizeof checksum);
  if (checksum != core::xxh3(entry.first(bytes.size()), place_seed(s.header.identity, index, s.header.bands + 1)))
    s.fail(fmt::format("the rows of document {} are damaged (byte {})", document, offset));
  std::memcpy(bytes.data(), entry.data(), bytes.size());
}

Fingerprint FingerprintReader::read(int64_t document) const {
  Fingerprint result;
  std::vector<uint64_t> words;
  const int64_t block = document / block_documents, at = document % block_documents;
  hashes(block, words);
  result.hash = {words.at(static_cast<size_t>(2 * at)), words.at(static_cast<size_t>(2 * at + 1))};
  for (uint64_t i = 0; i < state_->header.bands; ++i) {
    band(block, static_cast<int64_t>(i), words);
    result.bands.push_back(words.at(static_cast<size_t>(at)));
  }
  result.rows.resize(state_->header.rows);
  rows(document, result.rows);
  return result;
}

}  // namespace plumb::data
