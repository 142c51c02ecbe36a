// An HTML5 tree of a page from outside (gumbo), bounded in depth, memory and time.
#pragma once

#include <gumbo.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace plumb::data {

// Browsers stop nesting here (Chrome's and WebKit's maximumHTMLParserDOMTreeDepth).
inline constexpr size_t kDeepestTree = 512;

// `html` without the tags that would nest deeper than kDeepestTree, their text kept; nullopt when there are none.
std::optional<std::string> limit_depth(std::string_view html);

class HtmlTree {
 public:
  // Valid UTF-8. Error(bad_input) when the tree of it takes more than its share of memory or time.
  explicit HtmlTree(std::string_view html);
  ~HtmlTree();
  const GumboNode* root() const;  // the <html> element
  size_t bytes() const;           // of the tree

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
