// Text in the encoding its bytes are in, as UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace plumb::data {

struct Decoded {
  std::string text;         // valid UTF-8
  std::string encoding;     // the converter that was used
  int64_t undecodable = 0;  // places where bytes did not decode; U+FFFD stands there
};

// What the bytes of a page say of themselves, in the order of the HTML standard: byte order mark, <meta> or XML
// declaration in the first 1024 bytes, else UTF-8 if they are UTF-8, else what ICU detects, else windows-1252.
Decoded decode_html(std::string_view bytes);

}  // namespace plumb::data
