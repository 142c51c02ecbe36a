// The word before a number that says what it is: "Tel.", "주민등록번호", "version".
#pragma once

#include <cstddef>
#include <string_view>

namespace plumb::data::privacy {

enum class Label {
  none,
  phone,
  resident,   // of Korea
  foreigner,  // registered in Korea
  business,   // of Korea
  driver,
  passport,
  card,
  address,  // of the internet
  version,
  other  // an order, an account, a book, a barcode, a time
};

// The one nearest before byte `at`; 56 bytes are some 8 English words or 18 Korean syllables.
inline constexpr size_t label_window = 56;
Label label_before(std::string_view text, size_t at, size_t window = label_window);

}  // namespace plumb::data::privacy
