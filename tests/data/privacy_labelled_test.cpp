// Precision and recall of the rules of privacy, by kind, over labelled texts.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <set>

#include "data/privacy/finder.h"
#include "privacy_cases.h"

namespace plumb::data::privacy_cases {
namespace {

using Make = std::function<std::string(Dice&)>;
using Texts = std::vector<std::string>;

// "{}" is where the value stands.
Case fill(const std::string& sentence, const std::string& kind, const std::string& value) {
  Case made;
  const size_t at = sentence.find("{}");
  made.text = sentence.substr(0, at) + value + sentence.substr(at + 2);
  made.values.push_back({kind, at, at + value.size()});
  return made;
}

void add(std::vector<Case>& cases, const std::string& kind, const std::vector<Make>& forms, const Texts& sentences,
         Dice& dice, int rounds = 1) {
  for (int round = 0; round < rounds; ++round)
    for (size_t f = 0; f < forms.size(); ++f)
      for (size_t s = 0; s < sentences.size(); ++s) cases.push_back(fill(sentences[s], kind, forms[f](dice)));
}

Make form(const std::string& pattern) {  // # any digit, + a digit from 2, other signs themselves
  return [pattern](Dice& dice) {
    std::string text;
    for (const char c : pattern) {
      if (c == '#')
        text += dice.digits(1);
      else if (c == '+' && !text.empty())
        text += dice.from("23456789", 1);
      else
        text += c;
    }
    return text;
  };
}

void mail_and_addresses(std::vector<Case>& cases, Dice& dice) {
  const auto name = [](Dice& d) {
    return d.pick<std::string>(
        {"kim.minsu", "j.doe", "o'brien", "hong_gildong", "a", "info+news", "sales-kr", "x7", "Mary.Ann", "이_lee"});
  };
  const auto host = [](Dice& d) {
    return d.pick<std::string>({"naver.com", "gmail.com", "mail.example.co.kr", "uni-koeln.de", "x.io",
                                "sub.domain.museum", "hanmail.net", "korea.kr", "b-c.org", "xn--9t4b11yi5a.com"});
  };
  const auto ascii = [=](Dice& d) {
    std::string local = name(d);
    if (static_cast<unsigned char>(local[0]) >= 0x80) local = "lee";
    return local + d.digits(d.below(3)) + "@" + host(d);
  };
  add(cases, "email", {ascii, ascii},
      {"문의는 {}로 보내 주세요.", "Write to {}.", "<{}>", "mailto:{}?subject=hi", "\"email\":\"{}\",", "메일:{}입니다",
       "({}), or call", "From: Kim <{}>", "{}", "cc {}; bcc none", "이메일 {}\n주소", "contact={}&x=1", "[{}](link)",
       "To:\t{}"},
      dice, 3);
  const auto ipv4 = [](Dice& d) {
    return fmt::format("{}.{}.{}.{}", d.pick<int>({8, 52, 54, 121, 175, 203, 211, 93}), d.between(20, 255),
                       d.below(256), d.between(1, 254));
  };
  add(cases, "ipv4", {ipv4, ipv4},
      {"Failed password for root from {} port 22", "{} - - [10/Oct/2000:13:55:36]", "서버 {}에 접속",
       "http://{}:8080/x", "({})", "IP={}", "\"ip\": \"{}\"", "{}/24 is routed", "host {}."},
      dice, 3);
  const auto hex = [](Dice& d) { return d.from("123456789abcdef", 1) + d.from("0123456789abcdef", 3); };
  const auto full = [=](Dice& d) {
    std::string t = d.pick<std::string>({"2001", "2a00", "2606", "240e", "2404"});
    for (int i = 0; i < 7; ++i) t += ":" + hex(d);
    return t;
  };
  const auto gap = [=](Dice& d) {
    return d.pick<std::string>({"2001:4860", "2a02:26f0", "2606:4700", "2400:cb00"}) + ":" + hex(d) + "::" + hex(d);
  };
  add(cases, "ipv6", {full, gap, gap},
      {"inet6 {}/64 scope global", "from {} port 443", "[{}]:80", "주소는 {}입니다", "AAAA {}", "{}"}, dice, 2);
}

void phones(std::vector<Case>& cases, Dice& dice) {
  const Texts plain = {"연락처 {}", "{}로 전화 주세요", "전화: {}", "Tel. {}", "call {} today", "담당자 김 과장 ({})",
                       "{}",        "팩스 {} 입니다.",  "HP:{}",    "[{}]"};
  add(cases, "phone",
      {form("010-####-####"), form("010 #### ####"), form("010.####.####"), form("0101#######"), form("011-###-####"),
       form("02-+##-####"), form("031-###-####"), form("02-####-####"), form("070-####-####"), form("080-###-####"),
       form("0505-###-####"), form("051)###-####"), form("(02) +##-####")},
      plain, dice);
  const auto wide = [](Dice& d) { return full_width("010-" + d.digits(4) + "-" + d.digits(4)); };
  const auto dashes = [](Dice& d) { return "010\xE2\x80\x93" + d.digits(4) + "\xE2\x80\x93" + d.digits(4); };
  const auto spaced = [](Dice& d) { return "010 - " + d.digits(4) + " - " + d.digits(4); };
  const auto vowel = [](Dice& d) { return "010\xE3\x85\xA1" + d.digits(4) + "\xE3\x85\xA1" + d.digits(4); };
  add(cases, "phone", {wide, dashes, spaced, vowel}, {"{}", "번호는 {}입니다", "연락 바랍니다 {}"}, dice);
  add(cases, "phone", {form("1588-3###"), form("1544-0###"), form("1899-9###")},
      {"대표번호 {}", "{}로 문의", "고객센터({})", "Call center {}"}, dice);
  add(cases, "phone",
      {form("+82-10-####-####"), form("+82 10 #### ####"), form("+82 2 +## ####"), form("+82(0)10-####-####"),
       form("+8210########"), form("+1 415 +## ####"), form("+1 (212) +##-####"), form("+1-650-+##-####"),
       form("+44 20 7### ####"), form("+44 7### ######"), form("+49 30 ########"), form("+33 1 ## ## ## ##"),
       form("+81-3-####-####"), form("+86 138 #### ####"),
       form("+91 98#######"
            "#"),
       form("+971 50 ### ####")},
      {"{}", "Phone: {}", "해외에서는 {}로", "WhatsApp {}, any time", "({})"}, dice);
  add(cases, "phone",
      {form("415-+##-####"), form("(212) +##-####"), form("(650)+##-####"), form("303.+##.####"),
       form("1-800-+##-####")},
      {"{}", "Call {} now", "Office: {}.", "ph {}", "us at {} or", "{} ext. 5"}, dice);
  add(cases, "phone",
      {form("020 7### ####"), form("07### ######"), form("07### ### ###"), form("0161 4## ####"),
       form("06 98 12 76 3#"), form("01.45.23.99.0#"), form("03-3###-####"), form("090-####-####")},
      {"{}", "Tel: {}", "ring {}", "({})"}, dice);
  add(cases, "phone",
      {form("030/1######"), form("0171 #######"), form("612 34# ###"), form("02########"), form("4155+#####")},
      {"Telefon {}", "phone {}", "연락처: {}"}, dice);
  add(cases, "phone", {form("555-0###"), form("123-456-78##")}, {"ask at {} for me"}, dice,
      2);  // forms that nothing tells apart
}

void korea(std::vector<Case>& cases, Dice& dice) {
  const auto split = [](const std::string& n, const std::string& joint) {
    return n.substr(0, 6) + joint + n.substr(6);
  };
  const std::vector<Make> resident_forms = {
      [=](Dice& d) { return split(resident(d, true), "-"); },
      [=](Dice& d) { return split(resident(d, false), "-"); },
      [=](Dice& d) { return split(resident(d, true), " - "); },
      [=](Dice& d) { return full_width(split(resident(d, true), "-")); },
      [=](Dice& d) { return split(resident(d, false), "\xE2\x80\x93"); },
      [=](Dice& d) { return resident(d, true); },
      [=](Dice& d) { return split(birth(d) + d.from("12", 1) + d.digits(6), "-"); }};
  const Texts named = {"주민등록번호 {}",       "주민번호: {}", "{}",
                       "성명 홍길동 ({}) 서울", "RRN {}",       "resident registration number: {}.",
                       "번호는 {}이고"};
  add(cases, "kr_rrn", resident_forms, named, dice, 2);
  add(cases, "kr_rrn",
      {[](Dice& d) { return resident(d, false); }, [=](Dice& d) { return split(resident(d, false), " "); }},
      {"주민등록번호 {}", "resident registration no. {}"}, dice, 2);
  add(cases, "kr_frn",
      {[=](Dice& d) { return split(foreigner(d), "-"); }, [](Dice& d) { return foreigner(d); },
       [=](Dice& d) { return split(birth(d) + d.from("56", 1) + d.digits(6), "-"); }},
      {"외국인등록번호 {}", "alien registration {}", "{}", "등록({})"}, dice, 3);
  const auto dashed = [](Dice& d) { return grouped(business(d), {3, 2, 5}, "-"); };
  add(cases, "kr_brn", {dashed, dashed},
      {"사업자등록번호 {}", "사업자번호: {} 대표 이", "{}", "(주)가나 {} 서울", "Business registration no. {}"}, dice,
      4);
  add(cases, "kr_brn", {[](Dice& d) { return business(d); }}, {"사업자등록번호 {}", "business registration {}"}, dice,
      2);
  add(cases, "kr_driver_license",
      {[](Dice& d) { return fmt::format("{}-{}-{}-{}", d.between(11, 26), d.digits(2), d.digits(6), d.digits(2)); }},
      {"운전면허 {}", "{}", "면허번호: {}.", "driver's license {}"}, dice, 5);
  add(cases, "kr_driver_license", {[](Dice& d) { return std::to_string(d.between(11, 26)) + d.digits(10); }},
      {"운전면허번호 {}", "driver license {}"}, dice, 3);
  add(cases, "kr_passport",
      {[](Dice& d) { return "M" + d.digits(8); },
       [](Dice& d) { return "M" + d.digits(3) + d.from("ABCDE", 1) + d.digits(4); }},
      {"여권번호 {}", "passport no. {}", "여권: {} 유효"}, dice, 5);
}

void money_and_secrets(std::vector<Case>& cases, Dice& dice) {
  const Texts paid = {"카드번호 {}", "card: {}", "{}", "Visa {} exp 12/27", "결제 {} 승인", "paid with {}."};
  add(cases, "card",
      {[](Dice& d) { return card(d); }, [](Dice& d) { return grouped(card(d), {4}, " "); },
       [](Dice& d) { return grouped(card(d), {4}, "-"); }, [](Dice& d) { return amex(d); },
       [](Dice& d) {
         return grouped(amex(d), {4, 6, 5}, " ");
       },
       [](Dice& d) { return full_width(grouped(card(d), {4}, "-")); }},
      paid, dice, 2);
  add(cases, "iban", {[](Dice& d) { return account(d); }, [](Dice& d) { return grouped(account(d), {4}, " "); }},
      {"IBAN {}", "{}", "Konto: {}.", "계좌 {} 로", "(IBAN: {})"}, dice, 5);
  static const std::string mixed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                           hex = "0123456789abcdef";
  const auto with = [](const std::string& prefix, const std::string& alphabet, int count) {
    return [=](Dice& d) { return prefix + d.from(alphabet, count); };
  };
  const std::vector<Make> keys = {with("AKIA", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16),
                                  with("ghp_", mixed, 36),
                                  with("github_pat_", mixed + "_", 82),
                                  with("xoxb-", "0123456789", 12),
                                  with("AIza", mixed + "-_", 35),
                                  with("sk-", mixed, 48),
                                  with("sk-ant-api03-", mixed + "-_", 80),
                                  with("sk_live_", mixed, 24),
                                  with("glpat-", mixed, 20),
                                  with("hf_", mixed, 34),
                                  with("npm_", mixed, 36)};
  std::vector<Make> made = keys;
  made[3] = [](Dice& d) { return "xoxb-" + d.digits(12) + "-" + d.digits(12) + "-" + d.from(mixed, 24); };
  made.push_back([](Dice& d) {
    return "eyJ" + d.from(mixed, 33) + ".eyJ" + d.from(mixed + "-_", 60) + "." + d.from(mixed + "-_", 43);
  });
  made.push_back([](Dice& d) {
    return "-----BEGIN RSA PRIVATE "
           "KEY-----\n" +
           d.from(mixed + "+/", 64) + "\n" + d.from(mixed + "+/", 40) +
           "==\n-----END RSA PRIVATE "
           "KEY-----";
  });
  add(cases, "secret", made, {"{}", "KEY={}", "export TOKEN=\"{}\"", "use {} here", "키는 {}입니다"}, dice);
  add(cases, "secret", {with("", mixed + mixed + "!@#", 14)},
      {"password: {}1a", "비밀번호: \"{}9z\"", "\"db_password\": \"{}7q\","}, dice, 3);
  add(cases, "secret", {with("", hex, 32)},
      {"api_key = '{}'", "client_secret: {}", "X-Auth-Token: {}", "SECRET_KEY=\"{}\""}, dice, 3);
  for (auto& made_case : cases) {  // the value may have eaten what the sentence adds behind it
    for (const char* tail : {"1a", "9z", "7q"}) {
      auto& value = made_case.values[0];
      if (value.kind == "secret" && made_case.text.substr(value.end).starts_with(tail)) value.end += 2;
    }
  }
}

std::vector<Case> positives(uint64_t seed) {
  Dice dice(seed);
  std::vector<Case> cases;
  mail_and_addresses(cases, dice);
  phones(cases, dice);
  korea(cases, dice);
  money_and_secrets(cases, dice);
  return cases;
}

std::vector<std::string> written_negatives() {
  return {
      "Released on 2024-10-15, 2024.10.15, 10/15/2024 and 15. 10. 2024.",
      "2024년 10월 15일 오후 3시 30분",
      "2024-10-15T13:55:36.123456789+09:00",
      "from 12:34:56 to 23:59:59",
      "Exif 2024:10:05 12:33:22",
      "Python 3.11.4, gcc 12.2.0, version 1.2.3.4 of the tool",
      "v10.15.7.2 and Chrome/120.0.6099.109",
      "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko) Safari/537.36",
      "see section 5.4.3.2 and figure 1.2.3.4",
      "OID 1.3.6.1.4.1.311.21.20 and oid 2.5.29.37",
      "ISBN 978-0-306-40615-7, ISBN-10 0-306-40615-2",
      "ISBN 979-11-5839-085-6",
      "ISSN 2049-3630",
      "doi:10.1000/182 and 10.1038/s41586-020-2649-2",
      "arXiv:2404.10830v2 and PMID 31452104",
      "바코드 8801234567893",
      "EAN 4006381333931",
      "UPC 036000291452",
      "order no. 1234567890123456",
      "주문번호 20241015-0001234",
      "송장번호 6012-3456-7890",
      "운송장 123456789012",
      "계좌번호 110-123-456789",
      "농협 302-1234-5678-91",
      "account 1234-5678-9012",
      "Invoice #415-555-2671",
      "SKU 800-123-4567-X",
      "$415,555 and $1,234,567.89",
      "가격은 1,588,000원",
      "₩010,000",
      "EUR 1.234.567,89",
      "12,345,678,901",
      "3.14159265358979323846",
      "2.718281828459045235360287",
      "0.6309297535714574 and -4111111111111111.5",
      "1e-5, 6.02e23, 0x1F4, 0b1010",
      "256626720691 + 1646615806005 = 1903242526696",
      "(123 + 456) * 7890 = 4567890",
      "x = 1234567890123; y = 12345678901234",
      "f(x, y) = 3x^2 + 2y - 7",
      "1588-1592, 1592-1598, 1800-1899, 1600-1750",
      "조선은 1592-1598 전쟁을 겪었다",
      "the 1544-1609 edition",
      "1914-1918 and 1939-1945",
      "37.5665, 126.9780",
      "37°33'59.5\"N 126°58'40.6\"E",
      "GPS: -33.868820, 151.209290",
      "score 3-2, 6-4, 7-6",
      "room 02-123",
      "pages 123-127, 145-1501",
      "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
      "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "md5 d41d8cd98f00b204e9800998ecf8427e",
      "550e8400-e29b-41d4-a716-446655440000",
      "uuid 01234567-0101-1234-5678-010112345678",
      "MAC 00:1A:2B:3C:4D:5E and 2a:3b:4c:5d:6e:7f",
      "ssh-rsa fingerprint 16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48",
      "std::vector<int>::iterator a::b::c",
      "dead::beef face:b00c ::1 fe80::1",
      "10.0.0.1, 192.168.1.1, 127.0.0.1, 172.16.5.4, 169.254.1.1, 0.0.0.0",
      "224.0.0.251 and 255.255.255.0",
      "256.300.1.2 and 1.2.3",
      "203.0.113.7 and 2001:db8::1",
      "@username, @app.route('/x'), user@localhost",
      "icon@2x.png and sprite@3x.webp",
      "lodash@4.17.21 react@18.2.0-beta.js",
      "git@github.com:org/repo.git",
      "A @ B, A@B.T, Q@K.transpose",
      "image@sha256:abc",
      "a @ b.com is spaced, foo@bar",
      "1+1=2, 2+10=12, a+8210",
      "C++17 and +100%",
      "+10 000 000 people",
      "+20 points, +1234567",
      "temperature +25.5",
      "100-200-3000",
      "555-1234",
      "2-3-4-5-6",
      "999-12-3456",
      "lottery 05 12 23 34 45",
      "01 02 03 04 05 06",
      "02 04 08 16 32",
      "4 8 15 16 23 42",
      "1111 2222 3333 4444 5555",
      "2010 2011 2012 2013 2014",
      "4242 4242 4242 4243",
      "4111 1111 1111 1112",
      "5500000000000005",
      "0000000000000000",
      "123456-1234567",
      "901301-1234567",
      "900230-1234567",
      "900101-9234567",
      "900101-0234567",
      "19900101-1234567",
      "900101-12345678",
      "900101-123456",
      "A900101-1234567B",
      "120-81-47522",
      "123-45-67890",
      "000-00-00000",
      "27-12-345678-90",
      "10-12-345678-90",
      "29-01-123456-78",
      "M12345678",
      "부품 M1234567 재고",
      "model S12345678A",
      "GB82WEST12345698765433",
      "DE89370400440532013001",
      "XX82WEST12345698765432",
      "GB82 only",
      "password: the word",
      "Password must have 8 characters",
      "token = get_token(\"abcdefgh12345678\")",
      "secret: ${SECRET_2024_VALUE_X1}",
      "password = os.environ['DB_PASSWORD_2']",
      "api_key: your_api_key_1234567890",
      "token: utf8_sentence_piece_tokenizer_v2",
      "next_token = tokens[position12345]",
      "sk-learn-contributed-estimators-and-more-things",
      "the sk-8 skate shoe",
      "AKIA is a prefix",
      "ghp_ is followed by 36 characters",
      "xoxb- tokens",
      "eyJ begins a token",
      "AIza too",
      "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n-----END PUBLIC KEY-----",
      "-----BEGIN CERTIFICATE-----",
      "--------------------------------",
      "| --- | :---: | ---: |",
      "https://example.com/path?id=4155552671&x=1",
      "https://example.com:8080/a:b",
      "http://host/2024/10/15/900101",
      "file_20241015_123456.txt",
      "IMG_20241015_133012.jpg",
      "img-900101-1.png",
      "KR1234567890123",
      "제12345-6789호",
      "특허 10-2024-0012345",
      "법률 제19234호 2023. 3. 14.",
      "법원 2019다12345",
      "고시 제2020-123호",
      "우편번호 06236, 서울 강남구 테헤란로 123",
      "CA 94043-1351",
      "P.O. Box 1234567",
      "10 20 30 40 50 60 70 80",
      "[1, 22, 333, 4444, 55555]",
      "a1b2c3d4e5f6a7b8",
      "chr7:140453136-140453136",
      "NM_000546.6:c.215C>G",
      "p < 0.001, n = 12345",
      "95% CI 1.02-1.98; 0.97-1.05",
      "H2O at 101.325 kPa",
      "1.234.567.890",
      "1 234 567 890",
      "12 345 678 901 234",
      "020 7946",
      "0x4111111111111111",
      "%20%3A4111111111111111",
      "\\u0031\\u0032345678901",
      "#4155552671",
      "id-010-1",
      "010-12-345",
      "010-1234",
      "02-12-2024",
      "031-12-1234",
      "시간은 10-11시, 인원은 3-4명",
      "비율 1:2:3:4",
      "2:30:15.250",
      "MATLAB [1 2; 3 4]",
      "6.5.0.21 build",
      "firmware 12.34.56.78",
      "build 19.45.200.31",
      "ver 20.1.150.99",
  };
}

std::vector<std::string> negatives(uint64_t seed) {
  Dice dice(seed);
  std::vector<std::string> texts = written_negatives();
  for (int i = 0; i < 40; ++i) {
    texts.push_back("at 1" + dice.from("567", 1) + dice.digits(11) + " ms");  // milliseconds since 1970
    texts.push_back("id " + dice.from("123456789", 1) + dice.digits(17));     // snowflakes
    texts.push_back("주문번호 " + dice.digits(16));
    texts.push_back("nr " + dice.digits(16));  // one in ten passes Luhn: nothing tells those from cards
    texts.push_back("ref " + dice.from("13789", 1) + dice.digits(11));
    texts.push_back(fmt::format("{}.{}", dice.digits(3), dice.digits(13)));
    texts.push_back(fmt::format("{} {} {} {}", dice.digits(4), dice.digits(3), dice.digits(5), dice.digits(2)));
    texts.push_back(fmt::format("{}-{}-{}", dice.digits(4), dice.digits(2), dice.digits(2)));
    texts.push_back(fmt::format("{}-{}-{}", dice.digits(3), dice.digits(2), dice.digits(4)));
    texts.push_back(dice.from("0123456789abcdef", 40));
    texts.push_back(
        fmt::format("{}:{}:{}", padded(dice.below(24), 2), padded(dice.below(60), 2), padded(dice.below(60), 2)));
    texts.push_back(fmt::format("{:.6f}, {:.6f}", dice.below(90000000) / 1e6, dice.below(180000000) / 1e6));
    texts.push_back("880" + completed(dice.digits(9), [](const std::string& n) {
                      if (n.size() < 10) return false;
                      const std::string all = "880" + n;
                      int sum = 0;
                      for (int k = 0; k < 13; ++k) sum += (all[k] - '0') * (k % 2 ? 3 : 1);
                      return sum % 10 == 0;
                    }));
  }
  return texts;
}

struct Tally {
  int found_right = 0, found_wrong = 0, missed = 0;
  double precision() const { return found_right + found_wrong ? 1.0 * found_right / (found_right + found_wrong) : 1; }
  double recall() const { return found_right + missed ? 1.0 * found_right / (found_right + missed) : 1; }
};

void judge(const Case& labelled, std::map<std::string, Tally>& tallies, std::string& wrong) {
  std::vector<privacy::Match> matches;
  privacy::find_values(labelled.text, privacy::all_kinds, matches);
  std::set<Value> found, expected(labelled.values.begin(), labelled.values.end());
  for (const auto& match : matches)
    found.insert({std::string(privacy::kind_names[static_cast<size_t>(match.kind)]), match.begin, match.end});
  for (const auto& value : found) {
    const bool right = expected.contains(value);
    (right ? tallies[value.kind].found_right : tallies[value.kind].found_wrong) += 1;
    if (!right) wrong += fmt::format("  wrong  {:18} {}\n", value.kind, labelled.text);
  }
  for (const auto& value : expected) {
    if (found.contains(value)) continue;
    ++tallies[value.kind].missed;
    wrong += fmt::format("  missed {:18} {}\n", value.kind, labelled.text);
  }
}

TEST(PrivacyLabelled, PrecisionAndRecallByKind) {
  // What must hold, by kind: precision, recall. The set has forms that no rule can tell apart, so that not all are 1.
  const std::map<std::string, std::pair<double, double>> least = {
      {"email", {1, 1}},        {"ipv4", {0.98, 1}},      {"ipv6", {1, 1}},      {"phone", {0.99, 0.97}},
      {"kr_rrn", {0.97, 0.98}}, {"kr_frn", {0.97, 0.98}}, {"kr_brn", {0.98, 1}}, {"kr_driver_license", {1, 1}},
      {"kr_passport", {1, 1}},  {"card", {0.95, 1}},      {"iban", {1, 1}},      {"secret", {1, 0.97}}};
  const auto cases = positives(20261121);
  const auto clean = negatives(4);
  EXPECT_GT(cases.size() + clean.size(), 600u);
  std::map<std::string, Tally> tallies;
  std::string wrong;
  for (const auto& labelled : cases) judge(labelled, tallies, wrong);
  for (const auto& text : clean) judge({text, {}}, tallies, wrong);
  std::cout << fmt::format("{} texts with a value, {} without\n{:20}{:>8}{:>8}{:>8}{:>11}{:>9}\n", cases.size(),
                           clean.size(), "kind", "right", "wrong", "missed", "precision", "recall");
  for (const auto& [kind, tally] : tallies) {
    std::cout << fmt::format("{:20}{:>8}{:>8}{:>8}{:>11.3f}{:>9.3f}\n", kind, tally.found_right, tally.found_wrong,
                             tally.missed, tally.precision(), tally.recall());
    ASSERT_TRUE(least.contains(kind)) << kind;
    EXPECT_GE(tally.precision(), least.at(kind).first) << kind;
    EXPECT_GE(tally.recall(), least.at(kind).second) << kind;
  }
  EXPECT_EQ(tallies.size(), privacy::kind_count);
  std::cout << wrong;
}

}  // namespace
}  // namespace plumb::data::privacy_cases
