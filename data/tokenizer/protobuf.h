// Reads the fields of a protocol buffer message, one after the other, from bytes that nobody vouches for.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "core/error.h"

namespace plumb::data {

struct WireField {
  uint64_t number = 0;
  int type = 0;            // 0: varint, 1: 64 bits, 2: bytes, 5: 32 bits
  uint64_t value = 0;      // varint and fixed
  std::string_view bytes;  // bytes
  float real() const { return std::bit_cast<float>(static_cast<uint32_t>(value)); }
};

class WireReader {
 public:
  WireReader(std::string_view bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {}

  // False at the end of the message.
  bool next(WireField& field) {
    if (at_ >= bytes_.size()) return false;
    const uint64_t key = varint();
    field = {};
    field.number = key >> 3;
    field.type = static_cast<int>(key & 7);
    if (field.number == 0) fail();
    switch (field.type) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.value = fixed<uint64_t>();
        break;
      case 2: {
        const uint64_t size = varint();
        if (size > bytes_.size() - at_) fail();
        field.bytes = bytes_.substr(at_, size);
        at_ += size;
        break;
      }
      case 5:
        field.value = fixed<uint32_t>();
        break;
      default:
        fail();
    }
    return true;
  }
  const std::string& where() const { return where_; }
  void expect(const WireField& field, int type) const {
    if (field.type != type) fail();
  }

 private:
  [[noreturn]] void fail() const {
    fail_input(where_, "expected a protocol buffer message, found bytes that are none at byte " + std::to_string(at_),
               "the file is damaged or of another kind");
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ >= bytes_.size() || shift > 63) fail();
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail();
  }
  template <class T>
  T fixed() {
    T value;
    if (sizeof value > bytes_.size() - at_) fail();
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::string_view bytes_;
  std::string where_;
  size_t at_ = 0;
};

}  // namespace plumb::data
