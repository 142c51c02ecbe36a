#include "data/held_out.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "data/source/source.h"

namespace plumb::data {

namespace {

uint64_t content_hash(const Record& record) { return content_id("", record); }

}  // namespace

HeldOut::HeldOut(double share, bool validation, bool texts_only, int64_t documents, const Visit& visit)
    : share_(share), validation_(validation) {
  if (share_ == 0 && !validation_) return;
  if (!(share_ > 0 && share_ < 1)) {
    fail_input("data.validation_share",
               "expected a share between 0 and 100%, found " + std::to_string(share_ * 100) + "%");
  }
  if (documents >= kFewDocuments) {
    rule_ = Rule::hash;
  } else if (texts_only) {
    rule_ = Rule::tail;
  } else {
    rule_ = Rule::rank;
    std::vector<uint64_t> hashes;
    visit([&](const Record& record) { hashes.push_back(content_hash(record)); });
    std::sort(hashes.begin(), hashes.end());
    hashes.erase(std::unique(hashes.begin(), hashes.end()), hashes.end());
    if (hashes.size() < 2) {
      fail_input("data.validation_share", "cannot hold out a share of " + std::to_string(hashes.size()) + " sample",
                 "data.validation names sources of their own");
    }
    const auto most = static_cast<double>(hashes.size() - 1);
    const double wanted = std::round(share_ * static_cast<double>(hashes.size()));
    chosen_.insert(hashes.begin(), hashes.begin() + static_cast<std::ptrdiff_t>(std::clamp(wanted, 1.0, most)));
  }
}

bool HeldOut::belongs(Record& record, bool& cut) const {
  cut = false;
  switch (rule_) {
    case Rule::none:
      return true;
    case Rule::hash: {
      const bool held_out = static_cast<double>(content_hash(record) >> 11) * 0x1p-53 < share_;
      return held_out == validation_;
    }
    case Rule::rank:
      return (chosen_.count(content_hash(record)) > 0) == validation_;
    case Rule::tail:
      break;
  }
  auto at = static_cast<size_t>(std::floor(static_cast<double>(record.text.size()) * (1.0 - share_)));
  const auto continues = [&](size_t i) { return i < record.text.size() && (record.text[i] & 0xC0) == 0x80; };
  for (int back = 0; back < 3 && at > 0 && continues(at); ++back) --at;  // between characters
  if (validation_)
    record.text.erase(0, at);
  else
    record.text.resize(at), cut = true;
  return true;
}

std::string HeldOut::rule() const {
  switch (rule_) {
    case Rule::none:
      return "";
    case Rule::hash:
      return "hash";
    case Rule::rank:
      return "rank of hash";
    case Rule::tail:
      return "tail of each document";
  }
  return "";
}

}  // namespace plumb::data
