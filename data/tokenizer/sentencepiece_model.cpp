#include "data/tokenizer/sentencepiece_model.h"

#include <fmt/format.h>

#include <cmath>
#include <unordered_set>

#include "core/error.h"
#include "data/tokenizer/protobuf.h"
#include "data/tokenizer/unicode.h"

namespace plumb::data {

namespace {

constexpr size_t kMostPieces = size_t{1} << 24;

bool truth(const WireReader& reader, const WireField& field) {
  reader.expect(field, 0);
  return field.value != 0;
}

SentencePieceFile::Piece read_piece(std::string_view bytes, const std::string& where) {
  SentencePieceFile::Piece piece;
  WireReader reader(bytes, where);
  for (WireField field; reader.next(field);) {
    if (field.number == 1) {
      reader.expect(field, 2);
      piece.text = field.bytes;
    } else if (field.number == 2) {
      reader.expect(field, 5);
      piece.score = field.real();
    } else if (field.number == 3) {
      reader.expect(field, 0);
      if (field.value < 1 || field.value > 6)
        fail_input(where, fmt::format("expected a type of piece from 1 to 6, found {}", field.value));
      piece.type = static_cast<SentencePieceFile::Type>(field.value);
    }
  }
  if (piece.text.empty()) fail_input(where, "expected pieces with text, found an empty one");
  if (!is_valid_utf8(piece.text)) fail_input(where, "expected pieces in UTF-8, found invalid bytes");
  if (!std::isfinite(piece.score)) fail_input(where, "expected a finite score of a piece, found none");
  return piece;
}

void read_trainer(std::string_view bytes, const std::string& where, SentencePieceFile& file) {
  WireReader reader(bytes, where);
  for (WireField field; reader.next(field);) {
    if (field.number == 3) {
      reader.expect(field, 0);
      if (field.value < 1 || field.value > 4)
        fail_input(where, fmt::format("expected a type of model from 1 to 4, found {}", field.value));
      file.kind = static_cast<SentencePieceFile::Kind>(field.value);
    } else if (field.number == 24) {
      file.whitespace_as_suffix = truth(reader, field);
    } else if (field.number == 35) {
      file.byte_fallback = truth(reader, field);
    } else if (field.number == 44) {
      reader.expect(field, 2);
      file.unknown_surface = field.bytes;
    }
  }
}

void read_normalizer_spec(std::string_view bytes, const std::string& where, SentencePieceFile& file) {
  WireReader reader(bytes, where);
  for (WireField field; reader.next(field);) {
    if (field.number == 2) {
      reader.expect(field, 2);
      file.charsmap_bytes = field.bytes;
    } else if (field.number == 3) {
      file.add_dummy_prefix = truth(reader, field);
    } else if (field.number == 4) {
      file.remove_extra_whitespaces = truth(reader, field);
    } else if (field.number == 5) {
      file.escape_whitespaces = truth(reader, field);
    }
  }
  if (!file.charsmap_bytes.empty()) file.charsmap = Charsmap(file.charsmap_bytes, where + ": precompiled_charsmap");
}

void read_denormalizer(std::string_view bytes, const std::string& where, SentencePieceFile& file) {
  WireReader reader(bytes, where);
  for (WireField field; reader.next(field);)
    if (field.number == 2 && field.type == 2 && !field.bytes.empty())
      file.denormalizer = Charsmap(field.bytes, where + ": precompiled_charsmap");
}

void check(SentencePieceFile& file, const std::string& where) {
  using Type = SentencePieceFile::Type;
  std::unordered_set<std::string_view> normal, reserved;
  int bytes = 0;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    const auto& piece = file.pieces[id];
    const bool is_normal = piece.type == Type::normal || piece.type == Type::user_defined || piece.type == Type::unused;
    if (!(is_normal ? normal : reserved).insert(piece.text).second)
      fail_input(where, fmt::format("expected each piece once, found \"{}\" again", piece.text));
    if (piece.type == Type::unknown) {
      if (file.unknown >= 0) fail_input(where, "expected one unknown piece, found two");
      file.unknown = static_cast<int32_t>(id);
    }
    bytes += piece.type == Type::byte;
  }
  if (file.unknown < 0) fail_input(where, "expected an unknown piece, found none");
  if (file.byte_fallback != (bytes > 0) || (bytes > 0 && bytes != 256))
    fail_input(where, fmt::format("expected {} byte pieces, found {}", file.byte_fallback ? 256 : 0, bytes));
  for (int byte = 0; byte < 256 && bytes > 0; ++byte)
    if (!reserved.count(fmt::format("<0x{:02X}>", byte)))
      fail_input(where, fmt::format("expected a piece for every byte, found none for {:#04x}", byte));
}

}  // namespace

SentencePieceFile read_sentencepiece(std::string_view bytes, const std::string& where) {
  SentencePieceFile file;
  WireReader reader(bytes, where);
  for (WireField field; reader.next(field);) {
    if (field.number > 5) continue;
    reader.expect(field, 2);
    if (field.number == 1) {
      if (file.pieces.size() >= kMostPieces) fail_input(where, "expected fewer pieces");
      file.pieces.push_back(read_piece(field.bytes, fmt::format("{}: pieces[{}]", where, file.pieces.size())));
    } else if (field.number == 2) {
      read_trainer(field.bytes, where + ": trainer_spec", file);
    } else if (field.number == 3) {
      read_normalizer_spec(field.bytes, where + ": normalizer_spec", file);
    } else if (field.number == 5) {
      read_denormalizer(field.bytes, where + ": denormalizer_spec", file);
    }
  }
  if (file.pieces.empty()) fail_input(where, "expected a SentencePiece model, found no pieces");
  check(file, where);
  return file;
}

}  // namespace plumb::data
