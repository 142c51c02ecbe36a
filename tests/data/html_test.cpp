// Pages as text: what is content, how it is laid out, encodings, and pages made to break a reader.
#include <chrono>

#include "data/source/charset.h"
#include "data/source/documents.h"
#include "data/source/html_tree.h"
#include "data_files.h"

namespace plumb::data {
namespace {

std::string text_of(std::string_view html) { return html_document(html).text; }

std::string sentence(int words) {
  std::string text;
  for (int i = 0; i < words; ++i) text += "word" + std::to_string(i) + (i + 1 < words ? " " : ".");
  return text;
}

const std::string kLong = sentence(60);

TEST(Html, TitleParagraphsListsTablesCode) {
  const std::string page =
      "<!DOCTYPE html><html><head><title> The\n title </title><style>p{}</style><script>var "
      "x='<p>no</p>';</script></head>"
      "<body><header>Site name</header><nav><a href=/>Home</a> <a href=/a>About</a></nav><main>"
      "<h1>The title</h1><p>First&nbsp;paragraph with <b>bold</b>,\n\n  an &eacute; and &lt;tags&gt;. " +
      kLong +
      "</p>"
      "<ul><li>one</li><li>two <ul><li>inner</li></ul></li></ul>"
      "<table><caption>Values</caption><tr><th>name</th><th>value</th></tr><tr><td>a</td><td> 1 </td></tr></table>"
      "<pre>\n  def f(x):\n      return x\n</pre><p>Line<br>break</p><p hidden>hidden</p>"
      "<p style='display: none'>unseen</p><form><label>Mail</label><input></form></main>"
      "<aside>Related</aside><footer>&copy; 2026</footer></body></html>";
  EXPECT_EQ(
      text_of(page),
      "The title\n\nFirst\xC2\xA0paragraph with bold, an \xC3\xA9 and <tags>. " + kLong +
          "\n\n- one\n- two\n  - inner\n\nValues\nname | value\na | 1\n\n  def f(x):\n      return x\n\nLine\nbreak");
  EXPECT_GT(html_document(page).left_out.at("html.boilerplate"), 0);
}

// Without an element that declares itself the content, blocks are judged by length and links.
TEST(Html, BoilerplateByLengthAndLinks) {
  std::string links;
  for (int i = 0; i < 20; ++i)
    links += "<li><a href='/p" + std::to_string(i) + "'>Some other page of the site</a></li>";
  const std::string page = "<body><div><ul>" + links + "</ul></div><div>Log in</div><h2>Heading</h2><p>" + kLong +
                           "</p><p>Short one between.</p><p>" + kLong +
                           "</p><div>Share this</div><div>\xC2\xA9 Somebody, all of it "
                           "is ours and this line is long enough to be taken for text by its length alone</div></body>";
  EXPECT_EQ(text_of(page), "Heading\n\n" + kLong + "\n\nShort one between.\n\n" + kLong);
}

TEST(Html, AShortPageKeepsItsText) {
  EXPECT_EQ(text_of("<p>Hello</p><p>world</p><a href=x>a link of the page</a>"), "Hello\n\nworld");
  EXPECT_EQ(text_of("just text"), "just text");
  EXPECT_EQ(text_of(""), "");
  EXPECT_EQ(text_of("<title>Only a title</title>"), "");
  // A page of some frameworks is a form as a whole.
  EXPECT_EQ(text_of("<body><form><p>" + kLong + "</p></form></body>"), kLong);
}

TEST(Html, HeadingsThatLinkToThemselvesStay) {
  EXPECT_EQ(text_of("<main><h2><a href='#x'>Part</a></h2><p>" + kLong + "</p><p><a href='/y'>elsewhere</a></p></main>"),
            "Part\n\n" + kLong);
}

TEST(Html, LayoutTablesAreNoData) {
  EXPECT_EQ(
      text_of("<main><table><tr><td><p>" + kLong + "</p></td><td><div>" + kLong + "</div></td></tr></table></main>"),
      kLong + "\n\n" + kLong);
}

// A character of Korean says what two letters say: 100 of them are a paragraph of more than 200.
TEST(Html, EastAsianTextCountsDouble) {
  std::string korean;
  for (int i = 0; i < 110; ++i) korean += "\xEA\xB0\x80";
  EXPECT_EQ(text_of("<p>x</p><p>" + korean + "</p><p>y</p>"), korean);
}

TEST(Html, Encodings) {
  EXPECT_EQ(text_of("<meta charset=\"euc-kr\"><p>\xB0\xA1\xB3\xAA</p>"), "\xEA\xB0\x80\xEB\x82\x98");
  EXPECT_EQ(text_of("<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'><p>\x82\xA0</p>"),
            "\xE3\x81\x82");
  EXPECT_EQ(text_of("<?xml version='1.0' encoding='ISO-8859-1'?><html><p>\xE9\x80</p></html>"), "\xC3\xA9\xE2\x82\xAC");
  EXPECT_EQ(text_of(std::string_view("\xFF\xFE<\0p\0>\0\xAC\x20", 10)), "\xE2\x82\xAC");
  EXPECT_EQ(text_of("\xEF\xBB\xBF<meta charset=latin1><p>\xC3\xA9</p>"), "\xC3\xA9");
  // UTF-8 under another name stays UTF-8; a label nobody knows, or one that would be a file, is passed over.
  EXPECT_EQ(text_of("<meta charset=iso-8859-1><p>\xEA\xB0\x80</p>"), "\xEA\xB0\x80");
  EXPECT_EQ(text_of("<meta charset='../../etc/passwd'><p>\xC3\xA9</p>"), "\xC3\xA9");
  EXPECT_EQ(text_of("<p>caf\xE9 et cr\xE8me, voil\xE0 une phrase assez longue</p>"),
            "caf\xC3\xA9 et cr\xC3\xA8me, voil\xC3\xA0 une phrase assez longue");
  const auto broken = html_document("<meta charset=utf-8><p>a\xC3(b</p>");
  EXPECT_EQ(broken.text, "a\xEF\xBF\xBD(b");
  EXPECT_EQ(broken.left_out.at("html.undecodable"), 1);
  EXPECT_EQ(decode_html(std::string("<meta charset=hz>") + "~{<:~}").text.empty(), false);
}

template <class F>
double seconds_of(F&& f) {
  const auto begin = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(Html, DepthIsLimitedAndTextKept) {
  for (const std::string tag : {"div", "b", "span", "table", "blockquote", "x", "ul"}) {
    std::string page;
    for (int i = 0; i < 100000; ++i) page += "<" + tag + ">";
    page += "deep text";
    if (tag != "b") {
      for (int i = 0; i < 100000; ++i) page += "</" + tag + ">";
    }
    std::string text;
    EXPECT_LT(seconds_of([&] { text = text_of(page); }), 5) << tag;
    EXPECT_THAT(text, testing::HasSubstr("deep text")) << tag;
  }
  EXPECT_FALSE(limit_depth("<div><p>a<p>b<li>c<br></div>").has_value());
  std::string flat;  // many of a kind that ends by itself are no depth
  for (int i = 0; i < 5000; ++i) flat += "<p>a<li>b<td>c<br>";
  EXPECT_FALSE(limit_depth(flat).has_value());
}

// Formatting elements are opened again in every paragraph: few bytes make a tree of any size.
TEST(Html, ATreeBombIsRefused) {
  std::string page;
  page += "<p>";
  for (int i = 0; i < 500; ++i) page += "<b a" + std::to_string(i) + ">";
  page += "</p>";
  for (int i = 0; i < 300000; ++i) page += "<p>x";
  EXPECT_THAT(printed_error([&] { text_of(page); }), testing::HasSubstr("HTML"));
}

TEST(Html, AnyBytesAreSurvived) {
  std::mt19937 random(7);
  const std::string pieces[] = {
      "<",    ">",         "</",  "div", "p",          "table",    "td",   "script", "style",    "<!--",   "-->", "\"",
      "'",    "=",         "&",   "&#",  "&#x110000;", "&amp",     "svg",  "math",   "template", "select", "\0",  " ",
      "text", "<![CDATA[", "]]>", "<?",  "plaintext",  "\xC3\xA9", "\xFF", "form",   "a href",   "title",  "/>"};
  for (int round = 0; round < 3000; ++round) {
    std::string page;
    for (int i = 0; i < 60; ++i) {
      page += pieces[random() % std::size(pieces)];
      if (random() % 4 == 0) page += '\0';
    }
    text_of(page);
  }
}

TEST(Markdown, FrontMatterGoesAndTheRestStays) {
  const auto yaml = markdown_document("---\r\ntitle: X\r\ntags: [a]\r\n---\r\n\r\n# Heading\r\n\r\n- *item*\r\n");
  EXPECT_EQ(yaml.text, "# Heading\n\n- *item*\n");
  EXPECT_GT(yaml.left_out.at("markdown.front_matter"), 0);
  EXPECT_EQ(markdown_document("+++\ntitle = \"X\"\n+++\ntext").text, "text");
  EXPECT_EQ(markdown_document("---\ntitle: X\n---").text, "");
  for (const std::string same : {"---\n\ntext\n---\n", "---\nprose about a rule\n---\n", "# a\n---\nb: c\n---\n",
                                 "----\na: b\n---\n", "---\na: b\nno end", "--", "---", ""}) {
    EXPECT_EQ(markdown_document(same).text, same);
  }
}

}  // namespace
}  // namespace plumb::data
