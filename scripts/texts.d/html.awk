# HTML pages (DocBook, Publican, Sphinx) -> one JSON line {"text", "source"} for each section that has a heading.
# Read with RS="<", so that every record is "tag>text after it". Runs in mawk and gawk alike (LC_ALL=C, bytes).
# Variables: source (name written to every line), least (shortest section kept, in bytes; 200).

BEGIN {
  RS = "<"
  FS = "\001"
  if (!least) least = 200
  block = "^/?(p|div|ul|ol|dl|dt|dd|li|tr|blockquote|section|pre|br|br/|hr|hr/|h[1-6])$"
}

# A new page starts with nothing open, whatever the page before left unclosed.
FNR == 1 { end_of_section(); divisions = 0; muted = 0; head = 0; table = 0; preformatted = 0; link = 0; title = 0; next }

{
  at = index($0, ">")
  if (at == 0) next
  tag = substr($0, 1, at - 1)
  text = substr($0, at + 1)
  name = tag
  sub(/[ \t\n].*/, "", name)
  name = tolower(name)
  open_or_close(name, tag)
  if (name ~ block) end_of_line()
  if (name == "li") line = "* "
  if (name == "/li" && line == "* ") line = ""
  if (!head && !table && !muted && !link) add(text)
}

END { end_of_section() }

function open_or_close(name, tag) {
  if (name == "head" || name == "script" || name == "style") head++
  else if (name == "/head" || name == "/script" || name == "/style") head--
  else if (name == "table") table++
  else if (name == "/table") table--
  else if (name == "pre") preformatted = 1
  else if (name == "/pre") { end_of_line(); preformatted = 0 }
  else if (name == "a" && tag ~ /headerlink/) link = 1
  else if (name == "/a") link = 0
  else if (name ~ /^h[1-4]$/) { end_of_section(); title = 1 }
  else if (name ~ /^\/h[1-4]$/) { end_of_line(); title = 0 }
  else if (name ~ /^(div|ul|p|nav)$/ && tag !~ /\/$/) open_division(name, tag)
  else if (name ~ /^\/(div|ul|p|nav)$/) close_division(substr(name, 2))
}

# Navigation, tables of contents, banners and footnote marks are no prose: they are muted as a whole.
function open_division(name, tag) {
  divisions++
  kind[divisions] = name
  silent[divisions] = (tag ~ /(docnav|navheader|navfooter|banner|id="title"|class="toc"|toctree|sphinxsidebar|related|footer|legalnotice|revhistory|list-of)/)
  if (silent[divisions]) muted++
}

function close_division(name) {
  while (divisions > 0) {
    if (silent[divisions]) muted--
    if (kind[divisions--] == name) return
  }
}

function add(text) {
  gsub(/&nbsp;|&#160;|\302\240/, " ", text)
  gsub(/\302\255|\342\200\213|\302\266/, "", text)
  gsub(/&lt;/, "<", text)
  gsub(/&gt;/, ">", text)
  gsub(/&quot;|&#34;/, "\"", text)
  gsub(/&#39;|&#8217;|&apos;/, "'", text)
  gsub(/&#64;/, "@", text)
  gsub(/&#46;/, ".", text)
  gsub(/&#[0-9a-fx]+;/, "", text)
  gsub(/&amp;/, "\\&", text)
  if (preformatted) { line = line text; return }
  gsub(/[ \t\r\n]+/, " ", text)
  gsub(/\[[0-9]+\]/, "", text)
  if (line == "" || line ~ / $/) sub(/^ /, "", text)
  line = line text
}

# A list item whose text stands in a paragraph of its own keeps its bullet; captions of dropped tables go with them.
function end_of_line() {
  if (line == "* ") return
  sub(/[ \t\n]+$/, "", line)
  if (title) {
    sub(/^(Chapter|Appendix|Section) /, "", line)
    sub(/^[0-9A-Z]+(\.[0-9]+)*\. */, "", line)
  }
  if (line != "" && line !~ /^Table [0-9A-Z]+\.[0-9]+\./) body = body (body == "" ? "" : "\n") line
  line = ""
}

function end_of_section() {
  if (line == "* ") line = ""
  end_of_line()
  if (length(body) >= least) print "{\"text\": \"" quoted(body) "\", \"source\": \"" source "\"}"
  body = ""
}

# Text of a JSON string. Backslashes in replacements of gsub mean different things to different awks: joined instead.
function quoted(s) {
  gsub(/\\/, "&&", s)
  gsub(/\r/, "", s)
  gsub(/\t/, "  ", s)
  s = joined(joined(s, "\"", "\\\""), "\n", "\\n")
  gsub(/[\001-\037]/, " ", s)
  return s
}

function joined(s, old, new,  parts, part, i, out) {
  parts = split(s, part, old)
  out = part[1]
  for (i = 2; i <= parts; i++) out = out new part[i]
  return out
}
