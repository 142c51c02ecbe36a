#include "data/megatron.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <string_view>

#include "core/error.h"

namespace plumb::data {

static_assert(std::endian::native == std::endian::little, "Megatron's files are little-endian");

namespace {

constexpr std::string_view kMagic("MMIDIDX\0\0", 9);
constexpr uint64_t kHeaderBytes = 9 + 8 + 1 + 8 + 8;
constexpr int64_t kWideFrom = 65500;  // of indexed_dataset.py; a vocabulary of 65,500 to 65,536 would fit 16 bits too

struct ElementType {
  int code;
  const char* name;
  uint64_t bytes;
  bool whole;
};
constexpr ElementType kTypes[] = {{1, "uint8", 1, true},    {2, "int8", 1, true},  {3, "int16", 2, true},
                                  {4, "int32", 4, true},    {5, "int64", 8, true}, {6, "float64", 8, false},
                                  {7, "float32", 4, false}, {8, "uint16", 2, true}};

const ElementType* element_type(int code) {
  for (const auto& type : kTypes) {
    if (type.code == code) return &type;
  }
  return nullptr;
}

template <class T>
int64_t widen(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return static_cast<int64_t>(value);
}

int64_t element(const std::byte* from, int code) {
  switch (code) {
    case 1:
      return widen<uint8_t>(from);
    case 2:
      return widen<int8_t>(from);
    case 3:
      return widen<int16_t>(from);
    case 4:
      return widen<int32_t>(from);
    case 5:
      return widen<int64_t>(from);
    default:
      return widen<uint16_t>(from);
  }
}

}  // namespace

std::string megatron_prefix(std::string typed) {
  for (const std::string_view ending : {".idx", ".bin"}) {
    if (typed.ends_with(ending)) return typed.substr(0, typed.size() - ending.size());
  }
  return typed;
}

template <class T>
T MegatronReader::number(uint64_t offset) const {
  T value;
  std::memcpy(&value, index_.bytes().data() + offset, sizeof(T));
  return value;
}

MegatronReader::MegatronReader(const std::string& prefix)
    : prefix_(megatron_prefix(prefix)), index_(prefix_ + ".idx"), bin_(prefix_ + ".bin") {
  check_header();
  check_entries();
}

const char* MegatronReader::type() const { return element_type(code_)->name; }

void MegatronReader::check_header() {
  const auto& where = index_.path();
  const auto text = index_.text();
  if (text.starts_with("TNTIDX")) {
    fail_input(where, "is of Megatron's old format (TNTIDX)",
               "write it again with tools/preprocess_data.py of a current Megatron-LM (mmap)");
  }
  if (text.size() < kHeaderBytes || !text.starts_with(kMagic)) {
    fail_input(where, "expected the index of a Megatron dataset (MMIDIDX)",
               "give the path without .bin and .idx, such as corpus_text_document");
  }
  if (const auto version = number<uint64_t>(9); version != 1) {
    fail_input(where, fmt::format("expected version 1, found {}", version));
  }
  code_ = number<uint8_t>(17);
  const auto* type = element_type(code_);
  if (!type) fail_input(where, fmt::format("expected an element type from 1 to 8, found {}", code_));
  if (!type->whole) fail_input(where, fmt::format("expected token ids, found numbers of type {}", type->name));
  const auto sequences = number<uint64_t>(18), bounds = number<uint64_t>(26);
  const uint64_t most = text.size();  // each entry takes more than a byte
  if (sequences > most || bounds > most) {
    fail_input(where, fmt::format("damaged: {} sequences and {} documents do not fit into {} bytes", sequences, bounds,
                                  text.size()));
  }
  lengths_ = kHeaderBytes, pointers_ = lengths_ + 4 * sequences, bounds_ = pointers_ + 8 * sequences;
  const uint64_t end = bounds_ + 8 * bounds;
  if (sequences > 0 && text.size() == end + sequences) {
    fail_input(where, "is multimodal: it has a mode for each sequence", "only text can be imported");
  }
  if (text.size() != end) {
    fail_input(where, fmt::format("damaged: expected {} bytes for {} sequences and {} documents, found {}", end,
                                  sequences, bounds, text.size()));
  }
  if (bounds == 0) fail_input(where, "damaged: expected the bounds of documents, found none");
  sequences_ = static_cast<int64_t>(sequences), documents_ = static_cast<int64_t>(bounds) - 1;
}

void MegatronReader::check_entries() {
  const auto& where = index_.path();
  const auto bytes = static_cast<int64_t>(element_type(code_)->bytes);
  const auto size = static_cast<int64_t>(bin_.bytes().size());
  for (int64_t s = 0; s < sequences_; ++s) {
    const int64_t count = length(s), at = pointer(s);
    if (count < 0 || at < 0 || at > size || count > (size - at) / bytes) {
      fail_input(where, fmt::format("damaged: sequence {} has {} tokens from byte {} on, {}.bin has {} bytes", s, count,
                                    at, prefix_, size));
    }
    tokens_ += count;
    if (tokens_ > size / bytes) {  // a small file must not become a large dataset
      fail_input(where, fmt::format("damaged: the first {} sequences have more tokens than {}.bin", s + 1, prefix_));
    }
  }
  if (bound(0) != 0 || bound(documents_) != sequences_) {
    fail_input(where, fmt::format("damaged: expected documents from sequence 0 to {}, found {} to {}", sequences_,
                                  bound(0), bound(documents_)));
  }
  for (int64_t d = 0; d < documents_; ++d) {
    if (bound(d) > bound(d + 1)) {
      fail_input(where, fmt::format("damaged: document {} begins after its end", d));
    }
  }
}

int64_t MegatronReader::document_tokens(int64_t document) const {
  int64_t count = 0;
  for (int64_t s = bound(document); s < bound(document + 1); ++s) count += length(s);
  return count;
}

void MegatronReader::read(int64_t document, int64_t vocab_size, std::vector<int32_t>& ids) const {
  ids.clear();
  const auto bytes = element_type(code_)->bytes;
  for (int64_t s = bound(document); s < bound(document + 1); ++s) {
    const std::byte* from = bin_.bytes().data() + pointer(s);
    const int64_t count = length(s);
    for (int64_t i = 0; i < count; ++i, from += bytes) {
      const int64_t id = element(from, code_);
      if (id < 0 || id >= vocab_size) {
        fail_input(prefix_ + ".bin",
                   fmt::format("document {}, byte {}: expected token ids from 0 to {}, found {}", document,
                               pointer(s) + i * static_cast<int64_t>(bytes), vocab_size - 1, id),
                   "it was made with another tokenizer");
      }
      ids.push_back(static_cast<int32_t>(id));
    }
  }
}

MegatronWriter::MegatronWriter(const std::string& prefix, int64_t vocab_size)
    : prefix_(megatron_prefix(prefix)), wide_(vocab_size >= kWideFrom), bin_(prefix_ + ".bin") {}

void MegatronWriter::add(std::span<const int32_t> ids) {
  if (static_cast<int64_t>(ids.size()) > INT32_MAX - lengths_.back()) {
    fail_input(prefix_, "a document of 2^31 tokens or more does not fit into Megatron's index");
  }
  lengths_.back() += static_cast<int32_t>(ids.size());
  if (wide_) return bin_.write(std::as_bytes(ids));
  encoded_.resize(2 * ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const auto id = static_cast<uint16_t>(ids[i]);
    std::memcpy(&encoded_[2 * i], &id, 2);
  }
  bin_.write(encoded_);
}

void MegatronWriter::finish() {
  bin_.commit();
  core::AtomicFile index(prefix_ + ".idx");
  const auto write = [&](const auto& value) { index.write(std::as_bytes(std::span(&value, 1))); };
  index.write(kMagic);
  write(uint64_t{1});
  write(static_cast<uint8_t>(wide_ ? 4 : 8));
  write(static_cast<uint64_t>(lengths_.size()));
  write(static_cast<uint64_t>(lengths_.size() + 1));
  index.write(std::as_bytes(std::span(lengths_)));
  std::vector<int64_t> numbers;
  int64_t at = 0;
  for (const int32_t length : lengths_) numbers.push_back(at), at += int64_t{length} * (wide_ ? 4 : 2);
  index.write(std::as_bytes(std::span(numbers)));
  numbers.clear();
  for (int64_t d = 0; d <= static_cast<int64_t>(lengths_.size()); ++d) numbers.push_back(d);
  index.write(std::as_bytes(std::span(numbers)));
  index.commit();
}

}  // namespace plumb::data
