// What becomes of values: replaced, hashed with a key, documents dropped; counted by kind and told to nobody.
#include <fmt/format.h>
#include <sys/stat.h>

#include <ctime>
#include <iostream>
#include <set>

#include "data/privacy/finder.h"
#include "data/privacy/redactor.h"
#include "data/privacy/rules.h"
#include "data_files.h"
#include "privacy_cases.h"

namespace plumb::data {
namespace {

using testing::HasSubstr;
using testing::Not;

config::PrivacySection section(const std::string& action) {
  config::PrivacySection made;
  made.action = action;
  return made;
}

class Privacy : public DataTest {
 protected:
  std::string key(const std::string& content = "correct horse battery staple 4711", mode_t mode = 0600,
                  const std::string& name = "key") const {
    const std::string path = write(name, content);
    ::chmod(path.c_str(), mode);
    return path;
  }
  config::PrivacySection hashing(const std::string& file) const {
    auto made = section("hash");
    made.key = file;
    return made;
  }
  static std::string redacted(const Redactor& redactor, std::string text) {
    PrivacyCounts counts;
    return redactor.redact(text, counts) ? text : "dropped: " + text;
  }
};

TEST_F(Privacy, EveryKindHasItsTag) {
  const Redactor replace(section("replace"));
  EXPECT_EQ(redacted(replace,
                     "kim@naver.com 8.34.200.9 2001:4860:4860::8888 010-1234-5678 900101-1234567 900101-5234567 "
                     "120-81-47521 11-12-345678-90 passport M12345678, 4111-1111-1111-1111 DE89370400440532013000 "
                     "password: hunter22!"),
            "<EMAIL> <IPV4> <IPV6> <PHONE> <KR_RRN> <KR_FRN> <KR_BRN> <KR_DRIVER_LICENSE> passport <KR_PASSPORT>, "
            "<CARD> <IBAN> password: <SECRET>!");
  EXPECT_EQ(redacted(replace, "(02) 123-4567입니다. ９００１０１－１２３４５６７"), "<PHONE>입니다. <KR_RRN>");
  EXPECT_EQ(redacted(replace, "nothing 1592-1598 here"), "nothing 1592-1598 here");
  EXPECT_EQ(redacted(replace, ""), "");
  EXPECT_EQ(redacted(replace, redacted(replace, "call 415-555-2671")), "call <PHONE>");
}

// Forms that are easily overlooked, with the part that goes; an empty part: nothing does.
TEST_F(Privacy, FormsThatAreEasilyOverlooked) {
  const std::vector<std::pair<std::string, std::string>> forms = {
      {"82-10-1234-5678로", "82-10-1234-5678"},
      {"1577-1577", "1577-1577"},
      {"1577-1592", ""},
      {"call 555-123-4567", "555-123-4567"},
      {"555-123-4567", "555-123-4567"},
      {"+1 (555) 123-4567", "+1 (555) 123-4567"},
      {"1-800-flowers", ""},
      {"서울 12-345678-90", "서울 12-345678-90"},
      {"서울-12-345678-90", "서울-12-345678-90"},
      {"12-345678-90", ""},
      {"kim@naver.com.Then we", "kim@naver.com"},
      {"01012345678@naver.com", "01012345678@naver.com"},
      {"user:pass1234@host.org", "pass1234@host.org"},
      {"mysql://app:s3cr3t!x@db:3306/a", "s3cr3t!x"},
      {"Authorization: Bearer 8f14e45fceea167a5a36dedd4bea2543", "8f14e45fceea167a5a36dedd4bea2543"},
      {"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY"
       "EXAMPLEKEY",
       "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"
       "EXAMPLEKEY"},
      {"::ffff:8.34.200.9", "8.34.200.9"},
      {"[2001:4860:4860::8888]:53", "2001:4860:4860::8888"},
      {"2001:4860:4860::8888: it answers", "2001:4860:4860::8888"},
      {"900101\u22121234567", "900101\u22121234567"},
      {"900101-1234567-1", ""},
      {"주민등록번호는 9001011234568입니다", "9001011234568"},
      {"8801234567893", ""},
      {"연락처: 010-1234-5678,010-8765-4321", "010-1234-5678|010-8765-4321"},
      {"kim@naver.com/lee@naver.com", "kim@naver.com|lee@naver.com"},
      {"4111 1111 1111 1111 123", "4111 1111 1111 1111"},
      {"4111.1111.1111.1111", "4111.1111.1111.1111"},
      {"4444 4111 1111 1111 1111", ""},
  };
  for (const auto& [text, expected] : forms) {
    std::vector<privacy::Match> found;
    privacy::find_values(text, privacy::all_kinds, found);
    std::string parts;
    for (const auto& match : found)
      parts += (parts.empty() ? "" : "|") + text.substr(match.begin, match.end - match.begin);
    EXPECT_EQ(parts, expected) << text;
  }
}

TEST_F(Privacy, ActionsByKind) {
  auto mixed = section("replace");
  mixed.kinds = {"email", "phone", "card"};
  mixed.hash = {"kr_rrn"};
  mixed.drop = {"secret", "card"};
  mixed.key = key();
  const Redactor redactor(mixed);
  EXPECT_EQ(redacted(redactor, "a@b.io 120-81-47521"), "<EMAIL> 120-81-47521");
  EXPECT_THAT(redacted(redactor, "900101-1234567"), testing::MatchesRegex("<KR_RRN:[0-9a-f]{16}>"));
  EXPECT_EQ(redacted(redactor, "a@b.io 4111 1111 1111 1111"), "dropped: a@b.io 4111 1111 1111 1111");
  EXPECT_FALSE(Redactor(section("none")).active());
  EXPECT_TRUE(Redactor(section("none")).identity().is_null());
  auto only = section("none");
  only.drop = {"email"};
  EXPECT_EQ(redacted(Redactor(only), "a@b.io"), "dropped: a@b.io");
  EXPECT_EQ(redacted(Redactor(only), "010-1234-5678"), "010-1234-5678");
}

TEST_F(Privacy, CountsAreOfDocumentsAndKinds) {
  auto made = section("replace");
  made.drop = {"iban"};
  const Redactor redactor(made);
  PrivacyCounts counts;
  std::string one = "a@b.io and c@d.io", two = "010-1234-5678", none = "none",
              dropped = "e@f.io DE89370400440532013000";
  std::string* const talk[] = {&one, &two, &none};
  EXPECT_TRUE(redactor.redact(talk, counts));
  EXPECT_EQ(one, "<EMAIL> and <EMAIL>");
  EXPECT_EQ(two, "<PHONE>");
  EXPECT_EQ(counts.documents_changed, 1);
  std::string kind;
  EXPECT_FALSE(redactor.redact(dropped, counts, &kind));
  EXPECT_EQ(kind, "iban");
  EXPECT_THAT(dropped, HasSubstr("e@f.io"));
  EXPECT_TRUE(redactor.redact(none, counts));
  EXPECT_EQ(counts.json().dump(), R"({"documents_changed":1,"documents_dropped":1,"dropped":{"iban":1},)"
                                  R"("found":{"email":3,"iban":1,"phone":1}})");
  auto sum = PrivacyCounts::from_json(counts.json());
  sum += counts;
  EXPECT_EQ(sum.found["email"], 6);
  EXPECT_EQ(sum.documents_dropped, 2);
  EXPECT_EQ(sum.dropped["iban"], 2);
}

TEST_F(Privacy, TheFirstValueThatIsNotWantedDecides) {
  auto made = section("none");
  made.drop = {"iban", "email"};
  const Redactor redactor(made);
  PrivacyCounts counts;
  std::string one = "010-1234-5678 then DE89370400440532013000 of a@b.io", two = "a@b.io has DE89370400440532013000";
  std::string* const talk[] = {&two, &one};
  std::string kind;
  EXPECT_FALSE(redactor.redact(one, counts, &kind));
  EXPECT_EQ(kind, "iban");
  EXPECT_FALSE(redactor.redact(talk, counts, &kind));
  EXPECT_EQ(kind, "email");
  EXPECT_EQ(counts.json()["dropped"].dump(), R"({"email":1,"iban":1})");
}

TEST_F(Privacy, TheSameValueHasTheSameTag) {
  const Redactor redactor(hashing(key()));
  const auto tag = [&](const std::string& text) { return redacted(redactor, text); };
  EXPECT_EQ(tag("010-1234-5678"), tag("０１０－１２３４－５６７８"));
  EXPECT_EQ(tag("010-1234-5678"), tag("+82 10-1234-5678"));
  EXPECT_EQ(tag("010-1234-5678"), tag("+82 (0)10-1234-5678"));
  EXPECT_EQ(tag("Kim@Naver.com"), tag("kim@naver.com"));
  EXPECT_EQ(tag("900101-1234567"), tag("900101 – 1234567"));
  EXPECT_EQ(tag("DE89 3704 0044 0532 0130 00"), tag("DE89370400440532013000"));
  EXPECT_NE(tag("010-1234-5678"), tag("010-1234-5679"));
  EXPECT_NE(tag("900101-1234567"), tag("900101-1234568"));
  // Another key, other tags, another identity: the dataset is built again.
  const Redactor other(hashing(key("another key of thirty bytes 0815", 0600, "other")));
  EXPECT_NE(redacted(other, "010-1234-5678"), tag("010-1234-5678"));
  EXPECT_NE(other.identity(), redactor.identity());
  EXPECT_EQ(Redactor(hashing(key("correct horse battery staple 4711\n", 0600, "line"))).identity(),
            redactor.identity());
}

TEST_F(Privacy, TagsAreHmacSha256) {
  // printf 'EMAIL\0kim@naver.com' | openssl dgst -sha256 -hmac 'correct horse battery staple 4711'
  EXPECT_EQ(redacted(Redactor(hashing(key())), "kim@naver.com"), "<EMAIL:646a0082ca08d35a>");
}

TEST_F(Privacy, KeysThatAreNoneAreRefused) {
  const auto refused = [&](const std::string& file) { return printed_error([&] { Redactor{hashing(file)}; }); };
  EXPECT_THAT(refused(""), HasSubstr("action hash needs a key"));
  EXPECT_THAT(refused((folder_ / "absent").string()), HasSubstr("cannot be read"));
  EXPECT_THAT(refused(folder_.string()), HasSubstr("expected a file with a key"));
  EXPECT_THAT(refused(key("0123456789abcde")), HasSubstr("expected a key of 16 to 4096 bytes, found 15"));
  EXPECT_THAT(refused(key("0123456789abcde\n\n")), HasSubstr("found 15"));
  EXPECT_THAT(refused(key(std::string(5000, 'a'))), HasSubstr("found 5000"));
  EXPECT_THAT(refused(key(std::string(32, 'a'))), HasSubstr("fewer than 8 different bytes"));
  EXPECT_THAT(refused(key("correct horse battery staple 4711", 0644)),
              HasSubstr("found mode 0644\n      hint: chmod 600"));
  EXPECT_THAT(refused(key("correct horse battery staple 4711", 0640)), HasSubstr("found mode 0640"));
  // The key itself is in no message.
  EXPECT_THAT(refused(key("0123456789abcde")), Not(HasSubstr("0123456789")));
  EXPECT_THAT(printed_error([] { Redactor{section("mangle")}; }),
              HasSubstr("expected one of none, replace, hash, drop"));
  auto unknown = section("replace");
  unknown.kinds = {"emial"};
  EXPECT_THAT(printed_error([&] { Redactor{unknown}; }), HasSubstr("unknown kind \"emial\""));
  auto twice = section("none");
  twice.drop = twice.replace = {"email"};
  EXPECT_THAT(printed_error([&] { Redactor{twice}; }), HasSubstr("email has two actions"));
}

TEST_F(Privacy, NoValueLeavesTheText) {
  const std::string secret_key = "correct horse battery staple 4711";
  privacy_cases::Dice dice(1);
  std::vector<std::string> values = {"kim@naver.com", "8.34.200.9", "010-1234-5678",
                                     privacy_cases::resident(dice, true)};
  values.push_back(privacy_cases::card(dice));
  values.push_back(privacy_cases::account(dice));
  std::string text;
  for (const auto& value : values) text += "so: " + value + ", ";
  for (const std::string action : {"replace", "hash", "drop"}) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    auto made = section(action);
    if (action == "hash") made.key = key(secret_key);
    const Redactor redactor(made);
    std::string changed = text;
    PrivacyCounts counts;
    redactor.redact(changed, counts);
    std::string told = counts.json().dump() + redactor.identity().dump();
    told += testing::internal::GetCapturedStderr() + testing::internal::GetCapturedStdout();
    if (action != "drop") told += changed;
    int64_t found = 0;
    for (const auto& [kind, count] : counts.found) found += count;
    EXPECT_EQ(found, static_cast<int64_t>(values.size()));
    for (const auto& value : values) EXPECT_THAT(told, Not(HasSubstr(value)));
    EXPECT_THAT(told, Not(HasSubstr(secret_key)));
  }
}

TEST_F(Privacy, Arithmetic) {
  using namespace privacy;
  privacy_cases::Dice dice(3);
  for (int i = 0; i < 500; ++i) {
    const auto breaks = [](std::string digits, size_t at, auto&& test) {
      digits[at] = static_cast<char>('0' + (digits[at] - '0' + 1) % 10);
      return !test(digits);
    };
    const std::string resident = privacy_cases::resident(dice, true), business = privacy_cases::business(dice),
                      card = privacy_cases::card(dice), foreigner = privacy_cases::foreigner(dice),
                      account = privacy_cases::account(dice);
    EXPECT_TRUE(resident_checksum(resident)) << resident;
    EXPECT_TRUE(foreigner_checksum(foreigner)) << foreigner;
    EXPECT_TRUE(business_checksum(business)) << business;
    EXPECT_TRUE(luhn(card)) << card;
    EXPECT_TRUE(iban_checksum(account)) << account;
    EXPECT_TRUE(breaks(business, 9, business_checksum));
    EXPECT_TRUE(breaks(card, card.size() - 2, luhn));
    EXPECT_TRUE(breaks(account, account.size() - 1, iban_checksum));
  }
  EXPECT_TRUE(real_birth_date("0002293"));   // 2000 was a leap year
  EXPECT_FALSE(real_birth_date("0002291"));  // 1900 was none
  EXPECT_TRUE(real_birth_date("9602292"));
  EXPECT_FALSE(real_birth_date("9702292"));
  EXPECT_FALSE(real_birth_date("9004311"));
  EXPECT_FALSE(real_birth_date("9000101"));
  EXPECT_FALSE(real_birth_date("9013011"));
  EXPECT_FALSE(real_birth_date("9001019"));
  EXPECT_TRUE(luhn("4111111111111111"));
  EXPECT_TRUE(iban_checksum("GB82WEST12345698765432"));
  EXPECT_TRUE(business_checksum("1208147521"));
}

// Where parts of a long run of numbers are read, a value must not be lost at a cut, nor found twice.
TEST_F(Privacy, LongRunsOfNumbers) {
  for (int before = 0; before < 80; ++before) {
    std::string text;
    for (int i = 0; i < before; ++i) text += std::to_string(7 + i % 3) + " ";
    const size_t begin = text.size();
    text += "010-1234-5678 900101-1234567 7 8 9";
    std::vector<privacy::Match> found;
    privacy::find_values(text, privacy::all_kinds, found);
    ASSERT_EQ(found.size(), 2u) << text;
    EXPECT_EQ(found[0].begin, begin);
    EXPECT_EQ(found[1].end, text.size() - 6);
  }
}

std::string repeated(const std::string& part, size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += part;
  return text;
}

// Of this thread's processor time: other work on the machine does not count.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double seconds_of(const std::string& text, size_t* values = nullptr) {
  std::vector<privacy::Match> found;
  const double begin = thread_seconds();
  privacy::find_values(text, privacy::all_kinds, found);
  if (values) *values = found.size();
  return thread_seconds() - begin;
}

TEST_F(Privacy, HostileTextsTakeLinearTime) {
  const std::vector<std::string> parts = {
      "@",      "a@",   "a.",           "1",        "1-",    "1.",           "1 ",
      "+1",     "+82 ", "010-",         "(02)",     ":",     "2001:",        "1:",
      "eyJ",    "eyJ.", "-----BEGIN ",  "-",        "_",     "sk-",          "ghp_",
      "token=", "DE89", "AKIA",         "://a:",    "A",     "\xEF\xBC\x91", "\xEF\xBC",
      "\xEF",   "\xFF", "password: \"", "900101-1", "4111 ", "1.1.1.",       "전화 0"};
  for (const auto& part : parts) {
    const std::string text = repeated(part, 100000), longer = repeated(part, 400000);
    const double one = std::min(seconds_of(text), seconds_of(text)),
                 four = std::min(seconds_of(longer), seconds_of(longer));
    EXPECT_LT(four, 0.05 + 10 * one) << part;
    EXPECT_LT(one, 1.0) << part;
  }
  // Any bytes: nothing is read outside, and matches are in order.
  std::mt19937 random(2);
  const std::string alphabet = "0123456789-.:@+ ()/aAeyJG_=\xEF\xBC\x90\xE2\x80\x93";
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (size_t k = random() % 120; k > 0; --k) text += alphabet[random() % alphabet.size()];
    std::vector<privacy::Match> found;
    privacy::find_values(text, privacy::all_kinds, found);
    size_t end = 0;
    for (const auto& match : found) {
      ASSERT_LE(end, match.begin);
      ASSERT_LT(match.begin, match.end);
      ASSERT_LE(match.end, text.size());
      end = match.end;
    }
  }
}

TEST_F(Privacy, RateIsPrinted) {
  const char* root = std::getenv("TEST_SOURCE_DIR");
  const auto shared = std::filesystem::path(root ? root : ".") / "../shared/data";
  std::vector<std::pair<std::string, std::string>> texts;
  for (const char* name : {"text/c4_demo.jsonl", "text/wiki_demo.txt", "korean/ChatbotData.csv"})
    if (std::filesystem::exists(shared / name)) texts.emplace_back(name, slurp(shared / name));
  privacy_cases::Dice dice(8);
  std::string invoices;
  while (invoices.size() < 1000000)
    invoices +=
        fmt::format("2024-{}-{} order {} {}.{} EUR to {} 010-{}-{}\n", dice.digits(2), dice.digits(2), dice.digits(9),
                    dice.digits(3), dice.digits(2), dice.from("abcdefgh", 8), dice.digits(4), dice.digits(4));
  texts.emplace_back("lines full of numbers", invoices);
  for (const auto& [name, text] : texts) {
    double best = 1e9;
    size_t values = 0;
    for (int i = 0; i < 7; ++i) best = std::min(best, seconds_of(text, &values));
    std::cout << fmt::format("{:28}{:>8.0f} MB/s on one thread, {} values\n", name,
                             static_cast<double>(text.size()) / 1e6 / best, values);
    EXPECT_GT(static_cast<double>(text.size()) / 1e6 / best, 2.0);
  }
}

}  // namespace
}  // namespace plumb::data
