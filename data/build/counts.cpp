#include "data/build/counts.h"

#include <algorithm>
#include <bit>
#include <set>

namespace plumb::data {

namespace {

using json = nlohmann::ordered_json;

void add_all(std::map<std::string, int64_t>& to, const std::map<std::string, int64_t>& from) {
  for (const auto& [key, count] : from) to[key] += count;
}

std::array<std::pair<const char*, int64_t ReadCounts::*>, 8> members() {
  return {{{"documents", &ReadCounts::documents},
           {"malformed", &ReadCounts::malformed},
           {"filtered", &ReadCounts::filtered},
           {"personal", &ReadCounts::personal},
           {"contaminated", &ReadCounts::contaminated},
           {"empty", &ReadCounts::empty},
           {"stored", &ReadCounts::stored},
           {"bytes", &ReadCounts::bytes}}};
}

json amounts_json(const std::map<std::string, Shape::Amount>& amounts) {
  json object = json::object();
  for (const auto& [key, amount] : amounts) object[key] = {amount.documents, amount.bytes};
  return object;
}

// Rows, largest first, since json looks a key of an ordered object up among all that stand before it.
json domains_json(const std::map<std::string, Shape::Amount>& domains) {
  std::vector<const std::pair<const std::string, Shape::Amount>*> all;
  for (const auto& domain : domains) all.push_back(&domain);
  std::stable_sort(all.begin(), all.end(),
                   [](const auto* a, const auto* b) { return a->second.bytes > b->second.bytes; });
  json rows = json::array();
  for (const auto* domain : all) rows.push_back({domain->first, domain->second.documents, domain->second.bytes});
  return rows;
}

Shape::Amount amount_from(const json& cells) { return {cells.at(0).get<int64_t>(), cells.at(1).get<int64_t>()}; }

void add_amount(Shape::Amount& to, const Shape::Amount& from) {
  to.documents += from.documents, to.bytes += from.bytes;
}

size_t bucket(int64_t value) {
  return std::min<size_t>(47, value <= 1 ? 0 : static_cast<size_t>(std::bit_width(static_cast<uint64_t>(value)) - 1));
}

}  // namespace

ReadCounts& ReadCounts::operator+=(const ReadCounts& other) {
  for (const auto& [key, member] : members()) this->*member += other.*member;
  add_all(left_out, other.left_out);
  if (first_invalid_utf8.empty()) first_invalid_utf8 = other.first_invalid_utf8;
  clean += other.clean;
  privacy += other.privacy;
  contamination += other.contamination;
  return *this;
}

json ReadCounts::json() const {
  nlohmann::ordered_json object;
  for (const auto& [key, member] : members()) object[key] = this->*member;
  object["left_out"] = left_out;
  object["first_invalid_utf8"] = first_invalid_utf8;
  object["clean"] = clean.json();
  object["privacy"] = privacy.json();
  object["contamination"] = contamination.json();
  return object;
}

ReadCounts ReadCounts::from_json(const nlohmann::ordered_json& object) {
  ReadCounts counts;
  for (const auto& [key, member] : members()) counts.*member = object.at(key).get<int64_t>();
  counts.left_out = object.at("left_out").get<std::map<std::string, int64_t>>();
  counts.first_invalid_utf8 = object.value("first_invalid_utf8", "");
  counts.clean = CleanCounts::from_json(object.at("clean"));
  counts.privacy = PrivacyCounts::from_json(object.at("privacy"));
  counts.contamination = ContaminationCounts::from_json(object.at("contamination"));
  return counts;
}

void Shape::add(const std::string& language, const std::string& stated_language, const std::string& domain,
                int64_t text_bytes, int64_t token_count) {
  add_amount(language.empty() ? stated_languages[stated_language] : languages[language], {1, text_bytes});
  if (!domain.empty()) add_amount(domains[domain], {1, text_bytes});
  ++bytes[bucket(text_bytes)];
  ++tokens[bucket(token_count)];
}

// Twice the bound may stand before it is cut, so that the cut is seldom; what is cut is the same for equal input.
void Shape::bound() {
  if (domains.size() <= 2 * kMostDomains) return;
  std::vector<std::pair<std::string, Amount>> all(domains.begin(), domains.end());
  const auto larger = [](const auto& a, const auto& b) {
    return a.second.bytes != b.second.bytes ? a.second.bytes > b.second.bytes : a.first < b.first;
  };
  std::nth_element(all.begin(), all.begin() + kMostDomains, all.end(), larger);
  for (size_t i = kMostDomains; i < all.size(); ++i) {
    add_amount(other_domains, all[i].second);
    domains.erase(all[i].first);
  }
}

Shape& Shape::operator+=(const Shape& other) {
  for (const auto& [key, amount] : other.languages) add_amount(languages[key], amount);
  for (const auto& [key, amount] : other.stated_languages) add_amount(stated_languages[key], amount);
  for (const auto& [key, amount] : other.domains) add_amount(domains[key], amount);
  add_amount(other_domains, other.other_domains);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] += other.bytes[i], tokens[i] += other.tokens[i];
  bound();
  return *this;
}

json Shape::json() const {
  return {{"languages", amounts_json(languages)},
          {"stated_languages", amounts_json(stated_languages)},
          {"domains", domains_json(domains)},
          {"other_domains", {other_domains.documents, other_domains.bytes}},
          {"bytes", bytes},
          {"tokens", tokens}};
}

Shape Shape::from_json(const nlohmann::ordered_json& object) {
  Shape shape;
  for (const auto& [key, cells] : object.at("languages").items()) shape.languages[key] = amount_from(cells);
  for (const auto& [key, cells] : object.at("stated_languages").items()) {
    shape.stated_languages[key] = amount_from(cells);
  }
  for (const auto& row : object.at("domains")) {
    shape.domains[row.at(0).get<std::string>()] = {row.at(1).get<int64_t>(), row.at(2).get<int64_t>()};
  }
  shape.other_domains = amount_from(object.at("other_domains"));
  shape.bytes = object.at("bytes").get<decltype(shape.bytes)>();
  shape.tokens = object.at("tokens").get<decltype(shape.tokens)>();
  return shape;
}

json report_sections(const ReadCounts& read, const Shape& shape) {
  const json picture = shape.json();
  return {{"bytes_read", read.bytes},
          {"left_out", read.left_out},
          {"clean", read.clean.json()},
          {"privacy", read.privacy.json()},
          {"decontamination", read.contamination.json()},
          {"languages", picture["languages"]},
          {"stated_languages", picture["stated_languages"]},
          {"domains", picture["domains"]},
          {"other_domains", picture["other_domains"]},
          {"lengths", {{"bytes", picture["bytes"]}, {"tokens", picture["tokens"]}}}};
}

BuildReport& operator+=(BuildReport& to, const BuildReport& from) {
  to.documents += from.documents, to.kept += from.kept, to.held_out += from.held_out;
  to.malformed += from.malformed, to.filtered += from.filtered, to.personal += from.personal;
  to.contaminated += from.contaminated, to.duplicates += from.duplicates, to.empty += from.empty;
  to.too_long += from.too_long, to.split += from.split, to.bytes += from.bytes, to.tokens += from.tokens;
  to.trained_tokens += from.trained_tokens, to.special_texts += from.special_texts;
  to.invalid_utf8 += from.invalid_utf8;
  if (to.first_invalid_utf8.empty()) to.first_invalid_utf8 = from.first_invalid_utf8;
  to.ledger += from.ledger;
  return to;
}

std::string registrable_domain(std::string_view url) {
  // Labels below which others register, under country codes that have such: a short form of the public suffix list.
  static const std::set<std::string_view> kSecond = {"ac",   "co",  "com", "edu", "gen", "go",  "gob",
                                                     "gouv", "gov", "gv",  "mil", "ne",  "net", "nhs",
                                                     "nom",  "or",  "org", "pe",  "re",  "sch"};
  if (const auto scheme = url.find("://"); scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto user = url.rfind('@'); user != std::string_view::npos) url.remove_prefix(user + 1);
  url = url.substr(0, url.find(':'));
  while (url.ends_with('.')) url.remove_suffix(1);
  if (url.empty() || url.size() > 253) return "";
  std::string host;
  for (const char c : url) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '<') return "";
    host += static_cast<char>(upper ? c - 'A' + 'a' : c);
  }
  const auto last = host.rfind('.');
  if (last == std::string::npos) return host;
  if (host.find_first_not_of("0123456789.") == std::string::npos) return host;  // an address
  const auto second = host.rfind('.', last - 1);
  if (second == std::string::npos) return host;
  const bool two =
      host.size() - last == 3 && kSecond.count(std::string_view(host).substr(second + 1, last - second - 1));
  if (!two) return host.substr(second + 1);
  const auto third = second == 0 ? std::string::npos : host.rfind('.', second - 1);
  return third == std::string::npos ? host : host.substr(third + 1);
}

}  // namespace plumb::data
