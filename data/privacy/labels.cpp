#include "data/privacy/labels.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace plumb::data::privacy {
namespace {

struct Word {
  std::string_view text;
  Label label;
};

const std::vector<Word>& words() {
  static const std::vector<Word> all = {
      {"tel", Label::phone},
      {"phone", Label::phone},
      {"telephone", Label::phone},
      {"cellphone", Label::phone},
      {"mobile", Label::phone},
      {"cell", Label::phone},
      {"call", Label::phone},
      {"fax", Label::phone},
      {"dial", Label::phone},
      {"hotline", Label::phone},
      {"whatsapp", Label::phone},
      {"sms", Label::phone},
      {"contact", Label::phone},
      {"telefon", Label::phone},
      {"telefax", Label::phone},
      {"handy", Label::phone},
      {"tél", Label::phone},
      {"téléphone", Label::phone},
      {"portable", Label::phone},
      {"teléfono", Label::phone},
      {"móvil", Label::phone},
      {"telefono", Label::phone},
      {"전화", Label::phone},
      {"연락처", Label::phone},
      {"휴대폰", Label::phone},
      {"핸드폰", Label::phone},
      {"팩스", Label::phone},
      {"문의", Label::phone},
      {"대표번호", Label::phone},
      {"고객센터", Label::phone},
      {"콜센터", Label::phone},
      {"電話", Label::phone},
      {"电话", Label::phone},
      {"手机", Label::phone},
      {"주민등록", Label::resident},
      {"주민번호", Label::resident},
      {"resident registration", Label::resident},
      {"resident number", Label::resident},
      {"resident no", Label::resident},
      {"rrn", Label::resident},
      {"korean id", Label::resident},
      {"jumin", Label::resident},
      {"외국인등록", Label::foreigner},
      {"외국인번호", Label::foreigner},
      {"국내거소", Label::foreigner},
      {"alien registration", Label::foreigner},
      {"foreigner registration", Label::foreigner},
      {"foreign registration", Label::foreigner},
      {"arc", Label::foreigner},
      {"frn", Label::foreigner},
      {"사업자", Label::business},
      {"business registration", Label::business},
      {"business number", Label::business},
      {"brn", Label::business},
      {"운전면허", Label::driver},
      {"면허번호", Label::driver},
      {"driver", Label::driver},
      {"drivers", Label::driver},
      {"driving licence", Label::driver},
      {"driving license", Label::driver},
      {"driver's", Label::driver},
      {"여권", Label::passport},
      {"passport", Label::passport},
      {"카드", Label::card},
      {"card", Label::card},
      {"visa", Label::card},
      {"mastercard", Label::card},
      {"amex", Label::card},
      {"pan", Label::card},
      {"ip", Label::address},
      {"ipv4", Label::address},
      {"host", Label::address},
      {"server", Label::address},
      {"dns", Label::address},
      {"ping", Label::address},
      {"gateway", Label::address},
      {"addr", Label::address},
      {"address", Label::address},
      {"nameserver", Label::address},
      {"아이피", Label::address},
      {"서버", Label::address},
      {"version", Label::version},
      {"ver", Label::version},
      {"v", Label::version},
      {"release", Label::version},
      {"build", Label::version},
      {"firmware", Label::version},
      {"revision", Label::version},
      {"rev", Label::version},
      {"section", Label::version},
      {"chapter", Label::version},
      {"figure", Label::version},
      {"fig", Label::version},
      {"table", Label::version},
      {"clause", Label::version},
      {"oid", Label::version},
      {"§", Label::version},
      {"버전", Label::version},
      {"판올림", Label::version},
      {"펌웨어", Label::version},
      {"order", Label::other},
      {"invoice", Label::other},
      {"account", Label::other},
      {"tracking", Label::other},
      {"isbn", Label::other},
      {"issn", Label::other},
      {"ean", Label::other},
      {"upc", Label::other},
      {"gtin", Label::other},
      {"barcode", Label::other},
      {"doi", Label::other},
      {"serial", Label::other},
      {"sku", Label::other},
      {"timestamp", Label::other},
      {"epoch", Label::other},
      {"imei", Label::other},
      {"ticket", Label::other},
      {"patent", Label::other},
      {"case no", Label::other},
      {"lottery", Label::other},
      {"주문", Label::other},
      {"송장", Label::other},
      {"운송장", Label::other},
      {"계좌", Label::other},
      {"바코드", Label::other},
      {"상품", Label::other},
      {"품번", Label::other},
      {"일련번호", Label::other},
      {"등기번호", Label::other},
      {"로또", Label::other},
      {"특허", Label::other},
      {"출원번호", Label::other},
  };
  return all;
}

// Words by their first byte.
struct Table {
  std::array<std::vector<Word>, 256> starts;
  Table() {
    for (const auto& word : words()) starts[static_cast<unsigned char>(word.text[0])].push_back(word);
  }
};

bool is_letter(unsigned char c) { return c >= 'a' && c <= 'z'; }

}  // namespace

Label label_before(std::string_view text, size_t at, size_t window) {
  static const Table table;
  window = std::min(window, label_window);
  const size_t begin = at > window ? at - window : 0;
  std::array<char, label_window> lower;
  const size_t size = at - begin;
  for (size_t i = 0; i < size; ++i) {
    const char c = text[begin + i];
    lower[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  const std::string_view view(lower.data(), size);
  Label found = Label::none;
  size_t found_end = 0;
  for (size_t i = 0; i < size; ++i) {
    for (const auto& word : table.starts[static_cast<unsigned char>(view[i])]) {
      if (!view.substr(i).starts_with(word.text)) continue;
      const size_t end = i + word.text.size();
      const bool ascii = is_letter(word.text[0]);  // a part of "hotel" or "recall" is no label
      if (ascii && ((i > 0 && is_letter(view[i - 1])) || (end < size && is_letter(view[end])))) continue;
      if (end >= found_end) {
        found = word.label;
        found_end = end;
      }
    }
  }
  return found;
}

}  // namespace plumb::data::privacy
