# Package descriptions (Debian's Translation-en) -> one JSON line {"text", "source"} for each package that has more to
# say than its neighbours. A paragraph that stood in an earlier description is dropped: the packages of one source repeat
# each other. LC_ALL=C.
# Variables: least (shortest text kept, in bytes), every (keep one package of so many, chosen by a hash of its name).

BEGIN {
  if (!least) least = 300
  if (!every) every = 1
  for (i = 0; i < 256; i++) code[sprintf("%c", i)] = i
}

/^Package: / { finish(); name = substr($0, 10); next }
/^Description-en: / { synopsis = substr($0, 17); next }
/^ \.$/ { end_of_paragraph(); next }
# Deeper indentation and list marks are lines of their own; everything else is one running paragraph.
/^  |^ [*-] / {
  sub(/^ +/, "")
  paragraph = paragraph (paragraph == "" ? "" : "\n") $0
  apart = 1
  next
}
/^ / {
  sub(/^ /, "")
  paragraph = paragraph (paragraph == "" ? "" : (apart ? "\n" : " ")) $0
  apart = 0
  next
}
END { finish() }

function end_of_paragraph() {
  if (paragraph != "" && !(paragraph in seen)) {
    seen[paragraph] = 1
    body = body (body == "" ? "" : "\n") paragraph
  }
  paragraph = ""
  apart = 0
}

function finish() {
  end_of_paragraph()
  if (name != "" && length(body) >= least && kept(name)) {
    print "{\"text\": \"" quoted(name ": " synopsis "\n" body) "\", \"source\": \"packages\"}"
  }
  name = synopsis = body = ""
}

function kept(s,  i, h) {
  h = 7
  for (i = 1; i <= length(s); i++) h = (h * 31 + code[substr(s, i, 1)]) % 1000003
  return h % every == 0
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
