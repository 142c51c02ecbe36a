#include "data/source/html_blocks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace plumb::data {

namespace {

constexpr double kLeastContentShare = 0.25;  // of the page's text, for an element to count as its content
constexpr size_t kLeastContentBytes = 200;

bool is_element(const GumboNode* node) { return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE; }
bool is_text(const GumboNode* node) {
  return node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE || node->type == GUMBO_NODE_CDATA;
}
GumboTag tag_of(const GumboNode* node) { return is_element(node) ? node->v.element.tag : GUMBO_TAG_UNKNOWN; }

std::string_view attribute(const GumboNode* node, const char* name) {
  const auto* found = gumbo_get_attribute(&node->v.element.attributes, name);
  return found ? found->value : std::string_view();
}

// Steps through a tree in document order without recursion: enter(node) says whether to go into it, leave(node) comes
// after its children (only if gone into).
template <class Enter, class Leave>
void walk(const GumboNode* root, const Enter& enter, const Leave& leave) {
  const GumboNode* node = root;
  for (bool down = true;;) {
    if (down && enter(node) && is_element(node)) {
      if (node->v.element.children.length > 0) {
        node = static_cast<const GumboNode*>(node->v.element.children.data[0]);
        continue;
      }
      leave(node);
    }
    if (node == root) return;
    const GumboNode* parent = node->parent;
    const size_t next = node->index_within_parent + 1;
    down = next < parent->v.element.children.length;
    if (down) {
      node = static_cast<const GumboNode*>(parent->v.element.children.data[next]);
    } else {
      node = parent;
      leave(node);
    }
  }
}

size_t bytes_below(const GumboNode* from) {
  size_t bytes = 0;
  walk(
      from,
      [&](const GumboNode* node) {
        if (is_text(node) && node->type != GUMBO_NODE_WHITESPACE) bytes += std::strlen(node->v.text.text);
        return tag_of(node) != GUMBO_TAG_SCRIPT && tag_of(node) != GUMBO_TAG_STYLE;
      },
      [](const GumboNode*) {});
  return bytes;
}

template <size_t n>
bool one_of(GumboTag tag, const std::array<GumboTag, n>& tags) {
  return std::find(tags.begin(), tags.end(), tag) != tags.end();
}

constexpr std::array<GumboTag, 26> kNeverText{
    GUMBO_TAG_SCRIPT, GUMBO_TAG_STYLE,  GUMBO_TAG_NOSCRIPT, GUMBO_TAG_TEMPLATE, GUMBO_TAG_NAV,      GUMBO_TAG_ASIDE,
    GUMBO_TAG_BUTTON, GUMBO_TAG_SELECT, GUMBO_TAG_TEXTAREA, GUMBO_TAG_INPUT,    GUMBO_TAG_IFRAME,   GUMBO_TAG_OBJECT,
    GUMBO_TAG_EMBED,  GUMBO_TAG_APPLET, GUMBO_TAG_SVG,      GUMBO_TAG_CANVAS,   GUMBO_TAG_AUDIO,    GUMBO_TAG_VIDEO,
    GUMBO_TAG_HEAD,   GUMBO_TAG_TITLE,  GUMBO_TAG_MENU,     GUMBO_TAG_LABEL,    GUMBO_TAG_NOFRAMES, GUMBO_TAG_NOEMBED,
    GUMBO_TAG_RP,     GUMBO_TAG_MAP};
constexpr std::array<GumboTag, 37> kBlock{
    GUMBO_TAG_BODY,   GUMBO_TAG_BLOCKQUOTE, GUMBO_TAG_CAPTION,  GUMBO_TAG_CENTER,     GUMBO_TAG_DD,      GUMBO_TAG_DIV,
    GUMBO_TAG_DL,     GUMBO_TAG_DT,         GUMBO_TAG_FIELDSET, GUMBO_TAG_FORM,       GUMBO_TAG_LEGEND,  GUMBO_TAG_P,
    GUMBO_TAG_PRE,    GUMBO_TAG_TABLE,      GUMBO_TAG_THEAD,    GUMBO_TAG_TBODY,      GUMBO_TAG_TFOOT,   GUMBO_TAG_TR,
    GUMBO_TAG_UL,     GUMBO_TAG_OL,         GUMBO_TAG_LI,       GUMBO_TAG_H1,         GUMBO_TAG_H2,      GUMBO_TAG_H3,
    GUMBO_TAG_H4,     GUMBO_TAG_H5,         GUMBO_TAG_H6,       GUMBO_TAG_SECTION,    GUMBO_TAG_ARTICLE, GUMBO_TAG_MAIN,
    GUMBO_TAG_HEADER, GUMBO_TAG_FOOTER,     GUMBO_TAG_FIGURE,   GUMBO_TAG_FIGCAPTION, GUMBO_TAG_ADDRESS, GUMBO_TAG_HR,
    GUMBO_TAG_DETAILS};
constexpr std::array<GumboTag, 6> kHeading{GUMBO_TAG_H1, GUMBO_TAG_H2, GUMBO_TAG_H3,
                                           GUMBO_TAG_H4, GUMBO_TAG_H5, GUMBO_TAG_H6};
constexpr std::array<std::string_view, 8> kSideRoles{"navigation", "banner", "contentinfo", "complementary",
                                                     "search",     "dialog", "menu",        "menubar"};

bool hidden(const GumboNode* node) {
  if (gumbo_get_attribute(&node->v.element.attributes, "hidden")) return true;
  if (attribute(node, "aria-hidden") == "true") return true;
  const auto role = attribute(node, "role");
  if (!role.empty() && std::find(kSideRoles.begin(), kSideRoles.end(), role) != kSideRoles.end()) return true;
  std::string style;
  for (const char c : attribute(node, "style")) {
    if (c != ' ') style += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return style.find("display:none") != std::string::npos || style.find("visibility:hidden") != std::string::npos;
}

// Pages of some frameworks are one form as a whole: a form goes only where it is a small part.
bool small_form(const GumboNode* form, int64_t everything) {
  return static_cast<int64_t>(bytes_below(form)) * 2 < everything;
}

bool inside_content(const GumboNode* node) {
  for (const GumboNode* up = node->parent; up; up = up->parent) {
    const GumboTag tag = tag_of(up);
    if (tag == GUMBO_TAG_ARTICLE || tag == GUMBO_TAG_MAIN) return true;
  }
  return false;
}

bool left_out(const GumboNode* node, int64_t everything) {
  const GumboTag tag = tag_of(node);
  if (node->type == GUMBO_NODE_TEMPLATE || one_of(tag, kNeverText)) return true;
  // An article has a header and a footer of its own: title, author, date.
  if ((tag == GUMBO_TAG_HEADER || tag == GUMBO_TAG_FOOTER) && !inside_content(node)) return true;
  if (tag == GUMBO_TAG_FORM && small_form(node, everything)) return true;
  return tag != GUMBO_TAG_BODY && tag != GUMBO_TAG_HTML && hidden(node);
}

// A table whose cells hold paragraphs or tables lays out the page; one without is data.
bool is_data_table(const GumboNode* table) {
  bool data = true;
  walk(
      table,
      [&](const GumboNode* node) {
        if (node == table) return true;
        switch (tag_of(node)) {
          case GUMBO_TAG_TABLE:
          case GUMBO_TAG_P:
          case GUMBO_TAG_DIV:
          case GUMBO_TAG_UL:
          case GUMBO_TAG_OL:
          case GUMBO_TAG_PRE:
          case GUMBO_TAG_BLOCKQUOTE:
          case GUMBO_TAG_FORM:
            data = false;
            break;
          default:
            data &= !one_of(tag_of(node), kHeading);
        }
        return data;
      },
      [](const GumboNode*) {});
  return data;
}

// Hangul, kana, CJK: a character says about as much as two letters.
int64_t weight_of(std::string_view text, size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  if ((c & 0xC0) == 0x80) return 0;
  if (c < 0xE1 || c >= 0xF8) return 1;
  const uint32_t next = at + 1 < text.size() ? static_cast<unsigned char>(text[at + 1]) & 0x3F : 0;
  if (c >= 0xF0) return c == 0xF0 && next >= 0x20 && next < 0x30 ? 2 : 1;  // U+20000..U+2FFFF
  const uint32_t high = (static_cast<uint32_t>(c & 0x0F) << 12) | (next << 6);
  const bool wide = (high >= 0x1100 && high < 0x1200) || (high >= 0x3040 && high < 0xA4D0) ||
                    (high >= 0xAC00 && high < 0xD7C0) || (high >= 0xF900 && high < 0xFB00);
  return wide ? 2 : 1;
}

class BlockWriter {
 public:
  explicit BlockWriter(int64_t everything) : everything_(everything) {}

  bool enter(const GumboNode* node) {
    if (is_text(node)) return add(node->v.text.text), false;
    if (!is_element(node) || left_out(node, everything_)) return false;
    const GumboTag tag = tag_of(node);
    if (tag == GUMBO_TAG_BR) return line_break(), false;
    if (tag == GUMBO_TAG_A) ++links_;
    if (data_table_ > 0) return enter_table_part(tag), true;
    if (!one_of(tag, kBlock) && !is_layout_cell(tag)) return true;
    flush();
    if (tag == GUMBO_TAG_TABLE && is_data_table(node)) data_table_ = 1, block_.kind = HtmlBlock::Kind::table;
    if (tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL) ++depth_, lists_ += depth_ == 1;
    if (tag == GUMBO_TAG_LI) item_ = true;
    if (tag == GUMBO_TAG_PRE) ++preformatted_, block_.kind = HtmlBlock::Kind::preformatted;
    if (one_of(tag, kHeading)) block_.kind = HtmlBlock::Kind::heading;
    return true;
  }

  void leave(const GumboNode* node) {
    const GumboTag tag = tag_of(node);
    if (tag == GUMBO_TAG_A) --links_;
    if (data_table_ > 0 && tag != GUMBO_TAG_TABLE) return;
    if (!one_of(tag, kBlock) && !is_layout_cell(tag)) return;
    flush();
    if (tag == GUMBO_TAG_TABLE) data_table_ = 0;
    if (tag == GUMBO_TAG_UL || tag == GUMBO_TAG_OL) --depth_;
    if (tag == GUMBO_TAG_LI) item_ = false;
    if (tag == GUMBO_TAG_PRE) --preformatted_;
  }

  std::vector<HtmlBlock> take() {
    flush();
    return std::move(blocks_);
  }

 private:
  static bool is_layout_cell(GumboTag tag) { return tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH; }

  void enter_table_part(GumboTag tag) {
    if (tag == GUMBO_TAG_TR || tag == GUMBO_TAG_CAPTION) {
      trim_line();
      if (!block_.text.empty() && block_.text.back() != '\n') block_.text += '\n';
      cells_ = 0;
    } else if ((tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) && cells_++ > 0) {
      trim_line();
      block_.text += " | ";
    }
  }
  void trim_line() {
    while (!block_.text.empty() && block_.text.back() == ' ') block_.text.pop_back();
  }

  void add(std::string_view text) {
    if (preformatted_ > 0) {
      block_.text += text;
      for (size_t i = 0; i < text.size(); ++i) count(text, i);
      return;
    }
    for (size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const bool gap = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
      if (!gap)
        block_.text += c;
      else if (block_.text.empty() || block_.text.back() == ' ' || block_.text.back() == '\n')
        continue;
      else
        block_.text += ' ';
      count(text, i);
    }
  }
  void count(std::string_view text, size_t at) {
    const int64_t weight = weight_of(text, at);
    block_.length += weight;
    if (links_ > 0) block_.link_length += weight;
  }
  void line_break() {
    if (preformatted_ == 0) trim_line();
    if (!block_.text.empty()) block_.text += data_table_ > 0 ? ' ' : '\n';
  }

  void flush() {
    auto& text = block_.text;
    const bool preformatted = block_.kind == HtmlBlock::Kind::preformatted;
    while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || (preformatted && text.back() == '\t'))) {
      text.pop_back();
    }
    if (preformatted && text.starts_with('\n')) text.erase(0, 1);
    const bool any = text.find_first_not_of(" \t\n|") != std::string::npos;
    if (any) {
      if (item_ && block_.kind == HtmlBlock::Kind::paragraph) {
        block_.kind = HtmlBlock::Kind::item, block_.list = lists_;
        text.insert(0, std::string(static_cast<size_t>(std::clamp<int64_t>(depth_ - 1, 0, 16)) * 2, ' ') + "- ");
        item_ = false;  // the next block of the same item has no dash
      }
      blocks_.push_back(std::move(block_));
    }
    block_ = HtmlBlock();
    if (preformatted_ > 0) block_.kind = HtmlBlock::Kind::preformatted;
  }

  int64_t everything_;
  std::vector<HtmlBlock> blocks_;
  HtmlBlock block_;
  int64_t links_ = 0, depth_ = 0, lists_ = 0, preformatted_ = 0, data_table_ = 0, cells_ = 0;
  bool item_ = false;
};

}  // namespace

size_t text_bytes(const GumboNode* from) { return bytes_below(from); }

std::vector<HtmlBlock> html_blocks(const GumboNode* from) {
  BlockWriter writer(static_cast<int64_t>(text_bytes(from)));
  walk(
      from, [&](const GumboNode* node) { return writer.enter(node); },
      [&](const GumboNode* node) { writer.leave(node); });
  return writer.take();
}

const GumboNode* declared_content(const GumboNode* root) {
  std::vector<const GumboNode*> mains, articles;
  walk(
      root,
      [&](const GumboNode* node) {
        if (!is_element(node)) return false;
        if (tag_of(node) == GUMBO_TAG_MAIN || attribute(node, "role") == "main") mains.push_back(node);
        if (tag_of(node) == GUMBO_TAG_ARTICLE) articles.push_back(node);
        return true;
      },
      [](const GumboNode*) {});
  const GumboNode* found = mains.size() == 1 ? mains[0] : articles.size() == 1 ? articles[0] : nullptr;
  if (!found) return nullptr;
  const size_t bytes = text_bytes(found);
  const bool enough = bytes >= kLeastContentBytes &&
                      static_cast<double>(bytes) >= kLeastContentShare * static_cast<double>(text_bytes(root));
  return enough ? found : nullptr;
}

std::string page_title(const GumboNode* root) {
  std::string title;
  bool done = false;
  walk(
      root,
      [&](const GumboNode* node) {
        if (done || tag_of(node) == GUMBO_TAG_BODY || tag_of(node) == GUMBO_TAG_SVG) return false;
        if (tag_of(node) != GUMBO_TAG_TITLE) return true;
        done = true;
        for (size_t i = 0; i < node->v.element.children.length; ++i) {
          const auto* child = static_cast<const GumboNode*>(node->v.element.children.data[i]);
          if (is_text(child)) title += child->v.text.text;
        }
        return false;
      },
      [](const GumboNode*) {});
  std::string collapsed;
  for (const char c : title) {
    const bool gap = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
    if (!gap)
      collapsed += c;
    else if (!collapsed.empty() && collapsed.back() != ' ')
      collapsed += ' ';
  }
  if (collapsed.ends_with(' ')) collapsed.pop_back();
  return collapsed;
}

}  // namespace plumb::data
