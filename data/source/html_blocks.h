// A page as blocks of text, and which of them are its content.
#pragma once

#include <gumbo.h>

#include <cstdint>
#include <string>
#include <vector>

namespace plumb::data {

struct HtmlBlock {
  enum class Kind { paragraph, heading, item, preformatted, table } kind = Kind::paragraph;
  std::string text;
  int64_t length = 0;       // characters; one of East Asian scripts counts as two
  int64_t link_length = 0;  // of them inside links
  int64_t list = -1;        // number of the list an item belongs to: items of one list are one paragraph
  bool kept = true;

  double link_density() const;
};

// Text that a reader of the page sees, block elements being the seams. Scripts, styles, navigation, page headers and
// footers, asides, forms and what is hidden are left out.
std::vector<HtmlBlock> html_blocks(const GumboNode* from);
size_t text_bytes(const GumboNode* from);  // of all text below, scripts and styles apart

// The element that says of itself that it is the content (one <main>, role="main", or the only <article>), if it holds
// enough of the page's text; else null.
const GumboNode* declared_content(const GumboNode* root);
std::string page_title(const GumboNode* root);

// Sets `kept` in the manner of jusText (Pomikalek, "Removing Boilerplate and Duplicate Content from Web Corpora", 2011)
// with its published thresholds, in its language-independent mode (no stop words). `declared`: inside a content
// element, where only blocks made of links go.
void mark_boilerplate(std::vector<HtmlBlock>& blocks, bool declared);

}  // namespace plumb::data
