// A page as text: its title, then the blocks that are its content.
#include "data/source/charset.h"
#include "data/source/documents.h"
#include "data/source/html_blocks.h"
#include "data/source/html_tree.h"

namespace plumb::data {

namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string join(const std::string& title, const std::vector<HtmlBlock>& blocks) {
  std::string text = title;
  const HtmlBlock* before = nullptr;
  for (const auto& block : blocks) {
    if (!block.kept) continue;
    // Most pages have their title again as first heading.
    if (!before && first_line(block.text) == title && block.kind == HtmlBlock::Kind::heading) {
      before = &block;
      continue;
    }
    const bool same_list = before && block.list >= 0 && before->list == block.list;
    if (!text.empty()) text += same_list ? "\n" : "\n\n";
    text += block.text;
    before = &block;
  }
  return text;
}

}  // namespace

Document html_document(std::string_view bytes) {
  const Decoded decoded = decode_html(bytes);
  const HtmlTree tree(decoded.text);
  const GumboNode* content = declared_content(tree.root());
  auto blocks = html_blocks(content ? content : tree.root());
  mark_boilerplate(blocks, content != nullptr);
  bool any = false;
  for (const auto& block : blocks) any |= block.kept;
  Document document;
  if (any) document.text = join(page_title(tree.root()), blocks);
  const int64_t lost = static_cast<int64_t>(text_bytes(tree.root())) - static_cast<int64_t>(document.text.size());
  if (lost > 0) document.left_out["html.boilerplate"] = lost;
  if (decoded.undecodable > 0) document.left_out["html.undecodable"] = decoded.undecodable;
  return document;
}

}  // namespace plumb::data
