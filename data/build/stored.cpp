#include "data/build/stored.h"

#include <zstd.h>

#include <cstring>

#include "core/error.h"
#include "core/hash.h"
#include "data/source/bytes.h"

namespace plumb::data {

namespace {

constexpr std::string_view kMagic = "PLUMBDOC1";
constexpr size_t kPlaceBytes = 16;                // line, file, check
constexpr uint64_t kLargest = uint64_t{8} << 30;  // of one document with everything beside its text

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  out.append(text);
}

class Cursor {
 public:
  Cursor(std::string_view bytes, const std::filesystem::path& file) : bytes_(bytes), file_(file) {}
  template <class T>
  T take() {
    T value;
    need(sizeof value);
    std::memcpy(&value, bytes_.data(), sizeof value);
    bytes_.remove_prefix(sizeof value);
    return value;
  }
  std::string text() {
    const auto size = take<uint64_t>();
    need(size);
    std::string text(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return text;
  }

 private:
  void need(uint64_t size) const {
    if (size > bytes_.size()) fail_input(file_, "damaged: a document is cut", "remove its folder and build again");
  }
  std::string_view bytes_;
  const std::filesystem::path& file_;
};

uint32_t place_check(std::string_view bytes) { return static_cast<uint32_t>(core::xxh3(bytes)); }

}  // namespace

void append_place(std::string& out, const StoredPlace& place) {
  const size_t start = out.size();
  put(out, place.line);
  put(out, place.file);
  put(out, place_check(std::string_view(out).substr(start)));
}

PlaceReader::PlaceReader(const std::filesystem::path& file) : file_(file) {}

StoredPlace PlaceReader::at(uint64_t document) const {
  const auto damaged = [this] { fail_input(file_.path(), "damaged", "remove its folder and build again"); };
  if (document >= file_.bytes().size() / kPlaceBytes) damaged();
  const auto entry = file_.text().substr(document * kPlaceBytes, kPlaceBytes);
  Cursor cursor(entry, file_.path());
  StoredPlace place;
  place.line = cursor.take<uint64_t>();
  place.file = cursor.take<uint32_t>();
  if (cursor.take<uint32_t>() != place_check(entry.substr(0, kPlaceBytes - sizeof(uint32_t)))) damaged();
  return place;
}

void append_document(std::string& out, const StoredDocument& document) {
  const size_t start = out.size();
  put<uint64_t>(out, 0);
  put(out, document.file);
  put(out, document.line);
  put_text(out, document.language);
  put_text(out, document.domain);
  put<uint32_t>(out, static_cast<uint32_t>(document.messages.size()));
  if (document.messages.empty()) put_text(out, document.text);
  for (const auto& message : document.messages) {
    put_text(out, message.role);
    put_text(out, message.content);
    put_text(out, message.context);
  }
  const uint64_t size = out.size() - start - sizeof(uint64_t);
  std::memcpy(&out[start], &size, sizeof size);
}

struct StoredWriter::State {
  explicit State(const std::filesystem::path& path)
      : file(path), context(ZSTD_createCCtx(), ZSTD_freeCCtx), out(ZSTD_CStreamOutSize()) {
    if (!context) throw Error(ExitCode::out_of_resources, "no memory for a zstd stream", path);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  }
  void write(std::string_view bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (size_t left = 1; in.pos < in.size || (directive == ZSTD_e_end && left > 0);) {
      ZSTD_outBuffer target{out.data(), out.size(), 0};
      left = ZSTD_compressStream2(context.get(), &target, &in, directive);
      if (ZSTD_isError(left)) fail_internal(std::string("zstd: ") + ZSTD_getErrorName(left));
      file.write(std::string_view(out.data(), target.pos));
    }
  }
  core::AtomicFile file;
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context;
  std::vector<char> out;
};

StoredWriter::StoredWriter(const std::filesystem::path& file) : state_(std::make_unique<State>(file)) { write(kMagic); }
StoredWriter::~StoredWriter() = default;
void StoredWriter::write(std::string_view documents) { state_->write(documents, ZSTD_e_continue); }
void StoredWriter::commit() {
  state_->write("", ZSTD_e_end);
  state_->file.commit();
}

struct StoredReader::State {
  std::filesystem::path path;
  std::unique_ptr<ByteReader> bytes;
  std::string buffer;

  // Fills `out`; false when the stream ends before its first byte.
  bool fill(std::string& out, uint64_t size) {
    out.clear();
    while (out.size() < size) {
      const size_t at = out.size(), step = std::min<uint64_t>(size - at, uint64_t{16} << 20);
      out.resize(at + step);
      const size_t n = bytes->read({out.data() + at, step});
      out.resize(at + n);
      if (n > 0) continue;
      if (out.empty()) return false;
      fail_input(path, "damaged: ends within a document", "remove its folder and build again");
    }
    return true;
  }
  bool take() {
    std::string head;
    if (!fill(head, sizeof(uint64_t))) return false;
    uint64_t size = 0;
    std::memcpy(&size, head.data(), sizeof size);
    if (size > kLargest) fail_input(path, "damaged: a document larger than any", "remove its folder and build again");
    return fill(buffer, size) || size == 0;
  }
  Cursor begin(StoredDocument& document) const {
    Cursor cursor(buffer, path);
    document.file = cursor.take<uint32_t>();
    document.line = cursor.take<uint64_t>();
    return cursor;
  }
};

StoredReader::StoredReader(const std::filesystem::path& file)
    : state_(new State{file, open_bytes(file), std::string()}) {
  std::string magic;
  if (!state_->fill(magic, kMagic.size()) || magic != kMagic) {
    fail_input(file, "expected documents that a build stored, found something else",
               "remove its folder and build again");
  }
}
StoredReader::~StoredReader() = default;

bool StoredReader::skip(StoredDocument& document) {
  if (!state_->take()) return false;
  state_->begin(document);
  return true;
}

bool StoredReader::next(StoredDocument& document) {
  if (!state_->take()) return false;
  Cursor cursor = state_->begin(document);
  document.language = cursor.text();
  document.domain = cursor.text();
  const auto messages = cursor.take<uint32_t>();
  document.text.clear(), document.messages.clear();
  if (messages == 0) document.text = cursor.text();
  for (uint32_t i = 0; i < messages; ++i) {
    Message message;
    message.role = cursor.text();
    message.content = cursor.text();
    message.context = cursor.text();
    document.messages.push_back(std::move(message));
  }
  return true;
}

}  // namespace plumb::data
