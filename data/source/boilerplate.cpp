#include <cstdlib>

#include "data/source/html_blocks.h"

namespace plumb::data {

namespace {

// jusText's defaults (justext/core.py).
constexpr int64_t kLengthLow = 70;
constexpr int64_t kLengthHigh = 200;
constexpr double kMaxLinkDensity = 0.2;
constexpr int64_t kMaxHeadingDistance = 200;
// Ours: inside <main> a paragraph full of links is still one; a list of nothing but links is not.
constexpr double kMaxLinkDensityDeclared = 0.75;

enum class Class { bad, shortish, neargood, good };

Class context_free(const HtmlBlock& block) {
  if (block.link_density() > kMaxLinkDensity) return Class::bad;
  if (block.text.find("\xC2\xA9") != std::string::npos) return Class::bad;  // a copyright line
  if (block.length < kLengthLow) return block.link_length > 0 ? Class::bad : Class::shortish;
  return block.length > kLengthHigh ? Class::good : Class::neargood;
}

class Classifier {
 public:
  explicit Classifier(std::vector<HtmlBlock>& blocks) : blocks_(blocks) {
    for (const auto& block : blocks) first_.push_back(context_free(block));
  }

  void run() {
    classes_ = first_;
    lift_headings(Class::shortish, Class::neargood);
    settle_short();
    settle_neargood();
    lift_headings(Class::bad, Class::good);
    for (size_t i = 0; i < blocks_.size(); ++i) blocks_[i].kept = classes_[i] == Class::good;
  }

 private:
  // A heading close above good text belongs to it.
  void lift_headings(Class from, Class to) {
    for (size_t i = 0; i < blocks_.size(); ++i) {
      if (blocks_[i].kind != HtmlBlock::Kind::heading || classes_[i] != from || first_[i] == Class::bad) continue;
      int64_t distance = 0;
      for (size_t j = i + 1; j < blocks_.size() && distance <= kMaxHeadingDistance; ++j) {
        if (classes_[j] == Class::good) {
          classes_[i] = to;
          break;
        }
        distance += blocks_[j].length;
      }
    }
  }

  // For every block the nearest neighbour that is good or bad (or neargood, if wanted); bad at the edges.
  std::vector<Class> neighbours(const std::vector<Class>& classes, bool before, bool with_neargood) const {
    const size_t n = classes.size();
    std::vector<Class> found(n);
    Class last = Class::bad;
    for (size_t k = 0; k < n; ++k) {
      const size_t i = before ? k : n - 1 - k;
      found[i] = last;
      const Class here = classes[i];
      if (here == Class::good || here == Class::bad || (with_neargood && here == Class::neargood)) last = here;
    }
    return found;
  }

  void settle_short() {
    const auto before = neighbours(classes_, true, false), after = neighbours(classes_, false, false);
    const auto near_before = neighbours(classes_, true, true), near_after = neighbours(classes_, false, true);
    for (size_t i = 0; i < classes_.size(); ++i) {
      if (classes_[i] != Class::shortish) continue;
      const bool good = before[i] == Class::good, good_after = after[i] == Class::good;
      if (good && good_after)
        settled_.push_back({i, Class::good});
      else if (!good && !good_after)
        settled_.push_back({i, Class::bad});
      else {
        const bool near =
            (!good && near_before[i] == Class::neargood) || (!good_after && near_after[i] == Class::neargood);
        settled_.push_back({i, near ? Class::good : Class::bad});
      }
    }
    for (const auto& [i, to] : settled_) classes_[i] = to;
  }

  // In order: what became good or bad counts for the next.
  void settle_neargood() {
    const auto after = neighbours(classes_, false, false);
    Class before = Class::bad;
    for (size_t i = 0; i < classes_.size(); ++i) {
      if (classes_[i] == Class::neargood) {
        classes_[i] = before == Class::bad && after[i] == Class::bad ? Class::bad : Class::good;
      }
      before = classes_[i];
    }
  }

  std::vector<HtmlBlock>& blocks_;
  std::vector<Class> first_, classes_;
  std::vector<std::pair<size_t, Class>> settled_;
};

}  // namespace

double HtmlBlock::link_density() const {
  return length == 0 ? 0 : static_cast<double>(link_length) / static_cast<double>(length);
}

void mark_boilerplate(std::vector<HtmlBlock>& blocks, bool declared) {
  if (declared) {
    // A heading there is often a link to itself.
    for (auto& block : blocks) {
      block.kept = block.kind == HtmlBlock::Kind::heading || block.link_density() <= kMaxLinkDensityDeclared;
    }
    return;
  }
  Classifier(blocks).run();
  bool any = false;
  for (const auto& block : blocks) any |= block.kept;
  if (any) return;
  // A short page has no block that is good for its length alone: what is not made of links is its text.
  for (auto& block : blocks) block.kept = block.link_density() <= kMaxLinkDensity;
}

}  // namespace plumb::data
