#include "data/source/documents.h"

#include <algorithm>

#include "core/error.h"
#include "data/source/bytes.h"
#include "data/source/rows.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

constexpr uint64_t kLargestText = uint64_t{2} << 30;
constexpr uint64_t kTextPerStrayByte = 10'000;
constexpr uint64_t kLargestMarkup = kLargestRow;  // a tree of it takes many times as much

// The place of the first bytes that are no UTF-8. An encoding of one byte a letter (Latin-1, CP949) read as UTF-8 loses
// every letter beyond ASCII, without a sign of it later on: such a file is refused. It has more of what is no UTF-8
// than of UTF-8's own long characters, and not just a stray byte here and there.
std::optional<uint64_t> check_encoding(const std::filesystem::path& file, const std::string& text, uint64_t begin) {
  if (is_valid_utf8(text)) return std::nullopt;
  const auto found = invalid_utf8(text);
  const uint64_t first = begin + found.first;
  if (found.parts < found.multibyte || static_cast<uint64_t>(found.parts) * kTextPerStrayByte <= text.size()) {
    return first;
  }
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(found.first), '\n');
  fail_input(file.string(),
             "expected UTF-8, found another encoding: beyond ASCII " + std::to_string(found.parts) +
                 " byte sequences are no UTF-8 and " + std::to_string(found.multibyte) + " are, the first on line " +
                 std::to_string(line) + ", byte " + std::to_string(first),
             kEncodingHint);
}

std::string read_whole(const std::filesystem::path& file, uint64_t limit, uint64_t& consumed,
                       std::optional<uint64_t>& invalid) {
  CharReader in(file);
  std::string text;
  for (auto ahead = in.ahead(); !ahead.empty(); ahead = in.ahead()) {
    if (text.size() + ahead.size() > limit) {
      fail_input(file.string(),
                 "expected a document of at most " + std::to_string(limit >> 20) + " MiB, found a larger one",
                 "one file is one document: cut it into several, or into the lines of a .jsonl");
    }
    text.append(ahead);
    in.skip_within_line(ahead.size());
  }
  consumed = in.consumed();
  invalid = check_encoding(file, text, in.position() - text.size());
  return text;
}

// Not through CharReader: an encoding is recognised from the first bytes on.
std::string read_raw(const std::filesystem::path& file, uint64_t limit, uint64_t& consumed) {
  const auto in = open_bytes(file);
  std::string bytes;
  for (;;) {
    const size_t before = bytes.size();
    bytes.resize(before + (size_t{256} << 10));
    const size_t n = in->read({bytes.data() + before, bytes.size() - before});
    bytes.resize(before + n);
    if (n == 0) break;
    if (bytes.size() > limit) {
      fail_input(file.string(),
                 "expected a document of at most " + std::to_string(limit >> 20) + " MiB, found a larger one");
    }
  }
  consumed = in->consumed();
  return bytes;
}

// The end of the front matter that `text` begins with, behind its closing line; 0 when there is none.
size_t front_matter_end(const std::string& text) {
  const std::string fence = text.substr(0, 3);
  if ((fence != "---" && fence != "+++") || text.size() < 4) return 0;
  const auto first = text.find('\n');
  if (first == std::string::npos || text.find_first_not_of(" \t", 3) < first) return 0;
  for (size_t at = first + 1; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const size_t last = text.find_last_not_of(" \t", end - 1);
    const std::string line = last == std::string::npos || last < at ? "" : text.substr(at, last + 1 - at);
    if (line == fence || (fence == "---" && line == "...")) return std::min(end + 1, text.size());
    // YAML and TOML of a head are "key: value", "key = value", lists and continuations; a rule of Markdown (---) at the
    // top is followed by prose or by an empty line.
    if (at == first + 1 && line.find(fence == "---" ? ':' : '=') == std::string::npos && !line.starts_with('#') &&
        !line.starts_with('[')) {
      return 0;
    }
    at = end + 1;
  }
  return 0;
}

}  // namespace

// Line ends become \n, as in every reader that opens text as text.
Document plain_document(std::string text) {
  size_t to = 0;
  for (size_t from = 0; from < text.size(); ++from) {
    if (text[from] == '\r' && from + 1 < text.size() && text[from + 1] == '\n') continue;
    text[to++] = text[from];
  }
  text.resize(to);
  return {std::move(text), {}, {}};
}

Document markdown_document(std::string bytes) {
  Document document = plain_document(std::move(bytes));
  if (const size_t end = front_matter_end(document.text); end > 0) {
    document.left_out["markdown.front_matter"] = static_cast<int64_t>(end);
    document.text.erase(0, document.text.find_first_not_of('\n', end) == std::string::npos
                               ? document.text.size()
                               : document.text.find_first_not_of('\n', end));
  }
  return document;
}

Document read_document(const std::filesystem::path& file, Container container, uint64_t& consumed) {
  switch (container) {
    case Container::html:
      return html_document(read_raw(file, kLargestMarkup, consumed));
    case Container::pdf: {
      std::error_code code;
      consumed = std::filesystem::file_size(file, code);
      return pdf_document(file);
    }
    default: {
      std::optional<uint64_t> invalid;
      auto text = read_whole(file, kLargestText, consumed, invalid);
      auto document =
          container == Container::markdown ? markdown_document(std::move(text)) : plain_document(std::move(text));
      document.invalid_utf8 = invalid;
      return document;
    }
  }
}

}  // namespace plumb::data
