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

struct Words {
  Label label;
  std::string_view list;  // joined by "|"
};
constexpr Words words[] = {
    {Label::phone,
     "tel|phone|telephone|cellphone|mobile|cell|call|fax|dial|hotline|whatsapp|sms|contact|telefon|telefax|handy|tél|"
     "téléphone|portable|teléfono|móvil|telefono|전화|연락처|휴대폰|핸드폰|팩스|문의|대표번호|고객센터|콜센터|電話|"
     "电话|手机"},
    {Label::resident, "주민등록|주민번호|resident registration|resident number|resident no|rrn|korean id|jumin"},
    {Label::foreigner,
     "외국인등록|외국인번호|국내거소|alien registration|foreigner registration|foreign registration|arc|frn"},
    {Label::business, "사업자|business registration|business number|brn"},
    {Label::driver, "운전면허|면허번호|driver|drivers|driving licence|driving license|driver's"},
    {Label::passport, "여권|passport"},
    {Label::card, "카드|card|visa|mastercard|amex|pan"},
    {Label::address, "ip|ipv4|host|server|dns|ping|gateway|addr|address|nameserver|아이피|서버"},
    {Label::version,
     "version|ver|v|release|build|firmware|revision|rev|section|chapter|figure|fig|table|clause|oid|§|버전|판올림|"
     "펌웨어"},
    {Label::other,
     "order|invoice|account|tracking|isbn|issn|ean|upc|gtin|barcode|doi|serial|sku|timestamp|epoch|imei|ticket|patent|"
     "case no|lottery|주문|송장|운송장|계좌|바코드|상품|품번|일련번호|등기번호|로또|특허|출원번호"},
};

// Words by their first byte.
struct Table {
  std::array<std::vector<Word>, 256> starts;
  Table() {
    for (const auto& [label, list] : words) {
      for (size_t from = 0; from < list.size();) {
        const size_t end = std::min(list.find('|', from), list.size());
        starts[static_cast<unsigned char>(list[from])].push_back({list.substr(from, end - from), label});
        from = end + 1;
      }
    }
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
